// Evidence pictures one by one: arrows change, plus and minus zoom, Esc closes. Without a script
// each picture is a link.
"use strict";
const viewer = document.getElementById("viewer"), links = [...document.querySelectorAll("#pictures a")];
const stage = viewer.querySelector(".stage"), image = viewer.querySelector("img"), label = viewer.querySelector(".label");
const zooms = [1, 1.5, 2, 3, 4];
let at = 0, zoom = 0;

function magnify(step) {
  zoom = Math.min(zooms.length - 1, Math.max(0, step));
  image.style.width = `${100 * zooms[zoom]}%`;
  stage.classList.toggle("zoomed", zoom > 0);
}

function show(number) {
  at = (number + links.length) % links.length;
  image.src = links[at].href; image.alt = links[at].dataset.label;
  label.textContent = `${at + 1} / ${links.length} · ${links[at].dataset.label}`;
  magnify(0);
}

links.forEach((link, number) => {
  link.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault(); show(number); viewer.showModal();
  };
});
viewer.querySelectorAll("[data-step]").forEach((button) => { button.onclick = () => show(at + Number(button.dataset.step)); });
viewer.querySelector("[data-zoom]").onclick = () => magnify((zoom + 1) % zooms.length);
viewer.querySelector("[data-close]").onclick = () => viewer.close();
viewer.onclose = () => links[at].focus();
viewer.onkeydown = (event) => {
  const done = {ArrowLeft: () => show(at - 1), ArrowRight: () => show(at + 1), "+": () => magnify(zoom + 1),
    "=": () => magnify(zoom + 1), "-": () => magnify(zoom - 1), 0: () => magnify(0)}[event.key];
  if (done) { event.preventDefault(); done(); }
};

// A picture that is magnified is moved by dragging; the finger scrolls by itself.
stage.onpointerdown = (event) => {
  if (event.pointerType !== "mouse" || !zoom) return;
  const from = [event.clientX + stage.scrollLeft, event.clientY + stage.scrollTop];
  stage.setPointerCapture(event.pointerId); event.preventDefault();
  stage.onpointermove = (now) => { stage.scrollLeft = from[0] - now.clientX; stage.scrollTop = from[1] - now.clientY; };
  stage.onpointerup = () => { stage.onpointermove = null; };
};
