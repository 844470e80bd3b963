// Values every two seconds while the page is visible, plots once a minute.
"use strict";
const cards = [...document.querySelectorAll("[data-sensor]")];

async function refresh() {
  const answer = await fetch("/data/sensors");
  if (answer.redirected || answer.status === 401) { location.reload(); return; }
  if (!answer.ok) return;
  const told = await answer.json();
  for (const card of cards) {
    const channels = (told[card.dataset.sensor] || {}).channels || {};
    for (const place of card.querySelectorAll("[data-channel]")) {
      const row = channels[place.dataset.channel];
      if (!row) continue;
      place.querySelector(".v").textContent = Number(row.value.toPrecision(4));
      place.querySelector(".age").textContent = Math.round(row.age_s);
      place.classList.toggle("old", row.age_s > (told[card.dataset.sensor].stale_after_s || 30));
    }
  }
}

async function loop() {
  if (!document.hidden) reached(await refresh().then(() => true, () => false));
  setTimeout(loop, 2000);
}

setInterval(() => {
  if (document.hidden) return;
  for (const image of document.querySelectorAll("img.plot")) {
    const narrow = image.parentNode.querySelector("source");
    if (!image.complete) continue;
    narrow.srcset = narrow.srcset.split("&")[0] + `&${Date.now()}`;
    image.src = image.src.split("?")[0] + `?${Date.now()}`;
  }
}, 60000);
if (cards.length) loop();
