// Pictures twice a second while the page is visible; one request under way for each camera.
"use strict";
const every = 500;

async function refresh(figure) {
  const camera = encodeURIComponent(figure.dataset.camera), image = figure.querySelector("img");
  const [picture, look] = await Promise.all([fetch(`/data/picture/${camera}`), fetch(`/data/look/${camera}`)]);
  if (picture.status === 401 || look.redirected) { location.reload(); return; }
  if (!picture.ok) return;
  const told = await look.json(), old = image.src, address = URL.createObjectURL(await picture.blob());
  image.src = address;
  await image.decode().catch(() => {});
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
  image.alt = figure.querySelector("b").textContent;
  show(figure, told);
}

function show(figure, look) {
  drawLook(figure.querySelector("canvas"), look);
  const age = figure.querySelector(".age");
  age.textContent = look.age_s === undefined ? "" : `${figure.dataset.age} ${look.age_s.toFixed(1)} ${figure.dataset.s}`;
  age.className = look.age_s > 20 ? "age bad" : "age";
  const list = figure.querySelector(".clocks");
  list.replaceChildren(...(look.candidates || []).map((one) => {
    const row = document.createElement("li");
    row.textContent = `${one.category} ${clock(one.held_s)} / ${clock(one.due_s)}`;
    return row;
  }));
}

async function loop(figure) {
  if (!document.hidden) await refresh(figure).catch(() => {});
  setTimeout(() => loop(figure), every);
}
document.querySelectorAll("figure.camera").forEach(loop);
