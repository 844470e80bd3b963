// Pictures twice a second while the page is visible, one in five seconds to save bandwidth: one
// question for all cameras, then the pictures that are new. A box that does not answer is said.
"use strict";
const often = 500, seldom = 5000, old = 20;
const slow = document.getElementById("slow"), names = JSON.parse(document.querySelector(".grid").dataset.names);
const figures = [...document.querySelectorAll("figure.camera")], tags = new Map();

if (slow) {
  slow.checked = localStorage.getItem("slow") === "yes";
  slow.onchange = () => localStorage.setItem("slow", slow.checked ? "yes" : "no");
}

async function picture(figure, tag) {
  const camera = figure.dataset.camera, image = figure.querySelector("img");
  const answer = await fetch(`/data/picture/${encodeURIComponent(camera)}`);
  if (answer.status !== 200) return;
  const before = image.src, address = URL.createObjectURL(await answer.blob()), fresh = new Image();
  fresh.src = address;
  await fresh.decode().catch(() => {});
  // Its size keeps its place while it is taken over: nothing below it jumps.
  if (fresh.naturalWidth) { image.width = fresh.naturalWidth; image.height = fresh.naturalHeight; }
  image.src = address;
  if (before.startsWith("blob:")) URL.revokeObjectURL(before);
  image.alt = figure.querySelector("b").textContent;
  tags.set(camera, tag);
}

async function refresh() {
  const answer = await fetch("/data/looks");
  if (answer.redirected) { location.reload(); return; }
  const looks = await answer.json();
  await Promise.all(figures.map(async (figure) => {
    const look = looks[figure.dataset.camera] || {};
    if (look.tag && look.tag !== tags.get(figure.dataset.camera)) await picture(figure, look.tag);
    if (tags.has(figure.dataset.camera)) show(figure, look);
  }));
}

function show(figure, look) {
  drawZones(drawLook(figure.querySelector("canvas"), look, names), JSON.parse(figure.dataset.zones));
  const age = figure.querySelector(".age"), stale = look.age_s > old;
  age.textContent = look.age_s === undefined ? "" : `${figure.dataset.age} ${look.age_s.toFixed(1)} ${figure.dataset.s}`;
  age.className = stale ? "age bad" : "age";
  figure.querySelector(".stale").hidden = !stale;
  dim(figure, stale);
  figure.querySelector(".clocks").replaceChildren(...(look.candidates || []).map((one) => {
    const row = document.createElement("li"), bar = document.createElement("progress");
    bar.max = one.due_s || 1; bar.value = Math.min(one.held_s, bar.max);
    bar.setAttribute("aria-label", names[one.category] || one.category);
    row.append(`${names[one.category] || one.category} `, bar, ` ${clock(one.held_s)} / ${clock(one.due_s)}`);
    return row;
  }));
}
function dim(figure, on) { figure.querySelector(".view").classList.toggle("dim", on); }

async function loop() {
  if (!document.hidden) {
    const well = await refresh().then(() => true, () => false);
    reached(well);
    if (!well) figures.forEach((figure) => dim(figure, true));
  }
  setTimeout(loop, slow.checked ? seldom : often);
}
if (figures.length) loop();
