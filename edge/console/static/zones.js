// The zone editor: corners by mouse, touch or keyboard; undo; trial on recorded tracks; save.
"use strict";
const editor = document.querySelector(".editor"), camera = editor.dataset.camera;
const svg = document.getElementById("drawing"), still = document.getElementById("still");
const list = document.getElementById("list"), told = document.getElementById("told");
const categories = JSON.parse(document.getElementById("categories").textContent);
const SVG = "http://www.w3.org/2000/svg", CLOSE = 0.035;
let version = editor.dataset.version, zones = [], rules = [], chosen = -1, open = null, past = [], held = null, shown = null;

function remember() { past.push(JSON.stringify({zones, rules, open})); if (past.length > 100) past.shift(); }
function undo() {
  const last = past.pop();
  if (last) { ({zones, rules, open} = JSON.parse(last)); chosen = Math.min(chosen, zones.length - 1); render(); }
}

function at(event) {
  const box = svg.getBoundingClientRect();
  const clip = (value) => Math.min(1, Math.max(0, value));
  return [clip((event.clientX - box.left) / box.width), clip((event.clientY - box.top) / box.height)];
}
const near = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) < CLOSE;

function tap(point) {
  remember();
  if (open && open.length >= 3 && near(point, open[0])) { close(); return; }
  open = open ? [...open, point] : [point];
  render();
}
function close() {
  zones.push({id: freeName(), kind: "watch", polygon: open});
  open = null; chosen = zones.length - 1; render();
}
function freeName() {
  const taken = new Set(zones.map((zone) => zone.id));
  let number = 1;
  while (taken.has(`zone-${number}`)) number += 1;
  return `zone-${number}`;
}

svg.addEventListener("pointerdown", (event) => {
  if (editor.dataset.editable !== "yes") return;
  const corner = event.target.dataset.corner;
  if (corner !== undefined) {
    remember(); held = {zone: Number(event.target.dataset.zone), corner: Number(corner)};
    chosen = held.zone; svg.setPointerCapture(event.pointerId);
  } else { tap(at(event)); }
  event.preventDefault();
});
svg.addEventListener("pointermove", (event) => {
  if (held) { zones[held.zone].polygon[held.corner] = at(event); render(); }
});
svg.addEventListener("pointerup", () => { held = null; });
svg.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { open = null; render(); }
  if ((event.ctrlKey || event.metaKey) && event.key === "z") { undo(); event.preventDefault(); }
});

function shape(kind, points, colour) {
  const node = document.createElementNS(SVG, kind);
  node.setAttribute("points", points.map(([x, y]) => `${x * 1000},${y * 1000}`).join(" "));
  node.setAttribute("stroke", colour); node.setAttribute("fill", kind === "polygon" ? colour : "none");
  return node;
}
function dot(point, colour, zone, corner) {
  const node = document.createElementNS(SVG, "ellipse"), box = svg.getBoundingClientRect();
  const radius = 9;
  node.setAttribute("cx", point[0] * 1000); node.setAttribute("cy", point[1] * 1000);
  node.setAttribute("rx", radius * 1000 / Math.max(1, box.width)); node.setAttribute("ry", radius * 1000 / Math.max(1, box.height));
  node.setAttribute("fill", colour);
  if (zone !== undefined) { node.dataset.zone = zone; node.dataset.corner = corner; }
  return node;
}

function render() {
  const parts = [];
  zones.forEach((zone, z) => {
    const colour = colours[zone.kind] || colours.watch;
    parts.push(shape("polygon", zone.polygon, colour));
    if (z === chosen) zone.polygon.forEach((point, c) => parts.push(dot(point, colour, z, c)));
  });
  if (open) {
    parts.push(shape("polyline", open, "#ffffff"));
    open.forEach((point) => parts.push(dot(point, "#ffffff")));
  }
  svg.replaceChildren(...parts);
  renderList(); renderRules();
}

function renderList() {
  list.replaceChildren(...zones.map((zone, z) => {
    const row = document.getElementById("row").content.cloneNode(true).firstElementChild;
    const [id, kind, hours] = ["id", "kind", "hours"].map((name) => row.querySelector(`.${name}`));
    if (z === chosen) row.setAttribute("aria-current", "true");
    id.value = zone.id; kind.value = zone.kind || "watch"; hours.value = ((zone.when || {}).hours || []).join(" ");
    id.onchange = () => { remember(); zone.id = id.value; };
    kind.onchange = () => { remember(); zone.kind = kind.value; render(); };
    hours.onchange = () => { remember(); setHours(zone, hours.value); };
    row.querySelector(".remove").onclick = () => { remember(); zones.splice(z, 1); chosen = -1; render(); };
    row.onfocusin = () => { if (chosen !== z) { chosen = z; paintChosen(); } };
    return row;
  }));
}
function paintChosen() {
  [...list.children].forEach((row, z) => row.toggleAttribute("aria-current", z === chosen));
}
function setHours(zone, value) {
  const spans = value.split(/[\s,;，；]+/).filter(Boolean);
  zone.when = {...(zone.when || {}), hours: spans};
  if (!spans.length) { delete zone.when.hours; }
  if (!Object.keys(zone.when).length) { delete zone.when; }
}

function renderRules() {
  if (shown === JSON.stringify(rules)) return;
  shown = JSON.stringify(rules);
  const rows = Object.entries(categories).map(([name, facts]) => {
    const row = document.getElementById("rule").content.cloneNode(true).firstElementChild;
    const rule = rules.find((one) => one.category === name);
    const on = row.querySelector(".on"), dwell = row.querySelector(".dwell");
    row.querySelector(".name").textContent = facts[document.documentElement.lang] || facts.en;
    on.checked = Boolean(rule); on.dataset.category = name;
    dwell.value = rule && rule.dwell_s !== undefined ? rule.dwell_s : facts.dwell_s; dwell.disabled = !rule;
    on.onchange = () => { remember(); rules = on.checked ? [...rules, {category: name}] : rules.filter((one) => one.category !== name); render(); };
    dwell.onchange = () => { remember(); rule.dwell_s = Number(dwell.value); };
    return row;
  });
  document.getElementById("rules").replaceChildren(...rows);
}

async function send(path) {
  const answer = await fetch(path, {method: "POST", headers: {"content-type": "application/json", "x-csrf": csrf()},
    body: JSON.stringify({version, zones, rules})});
  return [answer.status, await answer.json().catch(() => ({error: String(answer.status)}))];
}
function tell(text, bad) { told.textContent = text; told.className = bad ? "bad" : "good"; }

async function save() {
  const [status, body] = await send(`/data/zones/${encodeURIComponent(camera)}`);
  if (status === 200) { version = body.version; tell(editor.dataset.saved, false); }
  else if (status === 409) { tell(`${editor.dataset.conflict}\n${body.conflict}`, true); }
  else { tell(body.error, true); }
}
async function trial() {
  const [status, body] = await send(`/data/zones/${encodeURIComponent(camera)}/try`);
  if (status === 200) tell(editor.dataset.would.replace("{n}", body.raised.length), false);
  else tell(body.error, true);
}

async function start() {
  const answer = await fetch(`/data/zones/${encodeURIComponent(camera)}`);
  if (answer.ok) { ({version, zones, rules} = await answer.json()); }
  still.src = `/data/picture/${encodeURIComponent(camera)}?${Date.now()}`;
  still.onerror = () => { still.removeAttribute("src"); still.alt = editor.dataset.noPicture; svg.parentElement.style.aspectRatio = "16/9"; };
  render();
}
document.getElementById("undo").onclick = undo;
document.getElementById("new").onclick = () => { remember(); open = []; open = null; chosen = -1; render(); svg.focus(); };
document.getElementById("try").onclick = () => trial().catch((error) => tell(String(error), true));
const saver = document.getElementById("save");
if (saver) saver.onclick = () => save().catch((error) => tell(String(error), true));
window.addEventListener("resize", render);
start();
