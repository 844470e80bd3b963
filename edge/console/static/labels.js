// Labelling by keys and by finger: Y accepts, N refuses, S skips, U goes back; dragging on the crop
// draws the box anew, and D sends it. With the drawing focused, arrows move the box and Shift with
// arrows moves its lower right corner.
"use strict";
const form = document.getElementById("label"), drawing = document.getElementById("drawing"), rect = drawing.querySelector("rect");
const STEP = 0.02, LEAST = 0.01;
let box = (form.elements.box.value || "0,0,0,0").split(",").map(Number), start = null;

const clip = (value) => Math.min(1, Math.max(0, value));
const at = (event) => {
  const frame = drawing.getBoundingClientRect();
  return [clip((event.clientX - frame.left) / frame.width), clip((event.clientY - frame.top) / frame.height)];
};
function show() {
  const [a, b, c, d] = box;
  rect.setAttribute("x", Math.min(a, c)); rect.setAttribute("y", Math.min(b, d));
  rect.setAttribute("width", Math.abs(c - a)); rect.setAttribute("height", Math.abs(d - b));
  form.elements.box.value = [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)].map((side) => side.toFixed(4)).join(",");
}
drawing.addEventListener("pointerdown", (event) => { drawing.setPointerCapture(event.pointerId); start = at(event); event.preventDefault(); drawing.focus({preventScroll: true}); });
drawing.addEventListener("pointermove", (event) => {
  if (!start) return;
  const point = at(event);
  if (Math.abs(point[0] - start[0]) < LEAST || Math.abs(point[1] - start[1]) < LEAST) return;
  box = [...start, ...point]; show(); drawing.classList.add("drawn");
});
for (const name of ["pointerup", "pointercancel"]) drawing.addEventListener(name, () => { start = null; });
drawing.addEventListener("keydown", (event) => {
  const move = {ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP]}[event.key];
  if (!move) return;
  const [a, b, c, d] = box;
  box = event.shiftKey ? [a, b, Math.max(a + LEAST, clip(c + move[0])), Math.max(b + LEAST, clip(d + move[1]))] : [clip(a + move[0]), clip(b + move[1]), clip(c + move[0]), clip(d + move[1])];
  show(); drawing.classList.add("drawn"); event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=hidden]),select,textarea")) return;
  const button = /^[a-z]$/i.test(event.key) && form.querySelector(`[data-key="${event.key.toUpperCase()}"]`);
  if (button) { button.click(); event.preventDefault(); }
});
