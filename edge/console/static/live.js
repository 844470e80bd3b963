// Pictures twice a second while the page is visible, one in five seconds to save bandwidth; one
// request under way for each camera, and none for a picture that is already here.
"use strict";
const often = 500, seldom = 5000, old = 20;
const slow = document.getElementById("slow"), names = JSON.parse(document.querySelector(".grid").dataset.names);
const tags = new Map();

if (slow) {
  slow.checked = localStorage.getItem("slow") === "yes";
  slow.onchange = () => localStorage.setItem("slow", slow.checked ? "yes" : "no");
}

async function refresh(figure) {
  const camera = encodeURIComponent(figure.dataset.camera), image = figure.querySelector("img");
  const headers = tags.has(camera) ? {"If-None-Match": tags.get(camera)} : {};
  const [picture, look] = await Promise.all([fetch(`/data/picture/${camera}`, {headers}), fetch(`/data/look/${camera}`)]);
  if (picture.redirected || look.redirected) { location.reload(); return; }
  const told = look.ok ? await look.json() : {};
  if (picture.status === 200) {
    const before = image.src, address = URL.createObjectURL(await picture.blob());
    tags.set(camera, picture.headers.get("ETag"));
    image.src = address;
    await image.decode().catch(() => {});
    if (before.startsWith("blob:")) URL.revokeObjectURL(before);
    image.alt = figure.querySelector("b").textContent;
  }
  if (tags.has(camera)) show(figure, told);
}

function show(figure, look) {
  drawZones(drawLook(figure.querySelector("canvas"), look, names), JSON.parse(figure.dataset.zones));
  const age = figure.querySelector(".age"), stale = look.age_s > old;
  age.textContent = look.age_s === undefined ? "" : `${figure.dataset.age} ${look.age_s.toFixed(1)} ${figure.dataset.s}`;
  age.className = stale ? "age bad" : "age";
  figure.querySelector(".stale").hidden = !stale;
  figure.querySelector(".view").classList.toggle("dim", stale);
  figure.querySelector(".clocks").replaceChildren(...(look.candidates || []).map((one) => {
    const row = document.createElement("li"), bar = document.createElement("progress");
    bar.max = one.due_s || 1; bar.value = Math.min(one.held_s, bar.max);
    bar.setAttribute("aria-label", names[one.category] || one.category);
    row.append(`${names[one.category] || one.category} `, bar, ` ${clock(one.held_s)} / ${clock(one.due_s)}`);
    return row;
  }));
}

async function loop(figure) {
  if (!document.hidden) await refresh(figure).catch(() => {});
  setTimeout(() => loop(figure), slow.checked ? seldom : often);
}
document.querySelectorAll("figure.camera").forEach(loop);
