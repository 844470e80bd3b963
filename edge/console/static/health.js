// The parts that live are fetched anew every five seconds; what the reader has open stays open.
"use strict";
async function refresh() {
  const answer = await fetch("/health");
  if (answer.redirected) { location.reload(); return; }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = page.getElementById(part.id);
    if (now && now.innerHTML !== part.innerHTML) part.replaceChildren(...now.childNodes);
  }
}
async function loop() {
  if (!document.hidden) reached(await refresh().then(() => true, () => false));
  setTimeout(loop, 5000);
}
setTimeout(loop, 5000);
