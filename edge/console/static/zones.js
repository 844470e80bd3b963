// The zone editor: the list of zones, the rules they belong to, undo, trial on recorded tracks, save.
"use strict";
const editor = document.querySelector(".editor"), words = editor.dataset, camera = words.camera;
const still = document.getElementById("still"), list = document.getElementById("list"), told = document.getElementById("told");
const categories = JSON.parse(document.getElementById("categories").textContent);
const PICTURE_EVERY_MS = 1500;
let version = words.version, rules = [], past = [], shown = null, waits = 0, inForce = new Set();

const store = {
  zones: [], chosen: -1,
  remember() { keep("zones", true); past.push(JSON.stringify({zones: store.zones, rules, open: pen.open})); if (past.length > 100) past.shift(); },
  undo() {
    const last = past.pop();
    if (!last) return;
    ({zones: store.zones, rules, open: pen.open} = JSON.parse(last));
    store.chosen = Math.min(store.chosen, store.zones.length - 1); store.change();
  },
  change() { pen.render(); renderList(); renderRules(); if (past.length) keepDrawing(); },
  choose(number) { store.chosen = number; pen.render(); paintChosen(); },
  add(polygon, kind, remembered) {
    if (!remembered) store.remember();
    store.zones.push({id: freeName(), kind, polygon}); store.chosen = store.zones.length - 1; store.change();
  },
};
const pen = new Pen(document.getElementById("drawing"), store, words.editable === "yes");

function freeName() {
  const taken = new Set(store.zones.map((zone) => zone.id));
  let number = 1;
  while (taken.has(`zone-${number}`)) number += 1;
  return `zone-${number}`;
}

function renderList() {
  list.replaceChildren(...store.zones.map((zone, z) => {
    const row = document.getElementById("row").content.cloneNode(true).firstElementChild;
    const field = (name) => row.querySelector(`.${name}`), when = zone.when || {};
    field("title").value = zone.name || ""; field("title").placeholder = zone.id;
    field("kind").value = zone.kind || "watch"; field("hours").value = (when.hours || []).join(" ");
    field("from").value = when.from_date || ""; field("to").value = when.to_date || ""; field("permit").value = zone.permit || "";
    field("permitted").hidden = zone.kind !== "permitted";
    field("teaching").hidden = !inForce.has(zone.id); field("teaching").href = `/teach/${encodeURIComponent(camera)}/${encodeURIComponent(zone.id)}`;
    const on = (name, change) => { field(name).onchange = () => { store.remember(); change(field(name).value.trim()); store.change(); }; };
    on("title", (value) => put(zone, "name", value));
    on("kind", (value) => { zone.kind = value; });
    on("hours", (value) => putWhen(zone, "hours", value.split(/[\s,;，；、]+/).filter(Boolean).map((span) => span.replace(/[：]/g, ":").replace(/[—–~～至]/g, "-"))));
    on("from", (value) => putWhen(zone, "from_date", value));
    on("to", (value) => putWhen(zone, "to_date", value));
    on("permit", (value) => put(zone, "permit", value));
    field("remove").onclick = () => { store.remember(); removeZone(z); };
    row.onfocusin = () => { if (store.chosen !== z) store.choose(z); };
    return row;
  }));
  paintChosen();
}
function paintChosen() {
  [...list.children].forEach((row, z) => { if (z === store.chosen) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current"); });
}
function put(target, key, value) { if (value.length) target[key] = value; else delete target[key]; }
function putWhen(zone, key, value) {
  zone.when = {...(zone.when || {})}; put(zone.when, key, value);
  if (!Object.keys(zone.when).length) delete zone.when;
}
function removeZone(z) {
  const [gone] = store.zones.splice(z, 1);
  // A rule that was for this zone alone would be for all: it goes with it.
  rules = rules.filter((rule) => !(rule.zones && rule.zones.length === 1 && rule.zones[0] === gone.id))
    .map((rule) => (rule.zones ? {...rule, zones: rule.zones.filter((id) => id !== gone.id)} : rule));
  store.chosen = -1; store.change();
}

function renderRules() {
  const judged = store.zones.filter((zone) => !["mask", "permitted"].includes(zone.kind));
  const look = JSON.stringify([rules, judged.map((zone) => [zone.id, zone.name])]);
  if (shown === look) return;
  shown = look;
  document.getElementById("rules").replaceChildren(...Object.entries(categories).map(([name, facts]) => ruleRow(name, facts, judged)));
}
function ruleRow(name, facts, judged) {
  const row = document.getElementById("rule").content.cloneNode(true).firstElementChild;
  const rule = rules.find((one) => one.category === name), on = row.querySelector(".on"), dwell = row.querySelector(".dwell");
  row.querySelector(".name").textContent = facts[document.documentElement.lang.slice(0, 2)] || facts.en;
  on.checked = Boolean(rule); on.dataset.category = name;
  row.querySelector(".more").hidden = !rule;
  row.querySelector(".trust").textContent = words[facts.trust] || ""; row.querySelector(".trust").hidden = !facts.trust;
  dwell.value = rule && rule.dwell_s !== undefined ? rule.dwell_s : facts.dwell_s;
  on.onchange = () => { store.remember(); rules = on.checked ? [...rules, {category: name}] : rules.filter((one) => one.category !== name); store.change(); };
  dwell.onchange = () => { store.remember(); rule.dwell_s = Number(dwell.value); store.change(); };
  const chips = row.querySelector(".chips");
  chips.hidden = judged.length < 2;
  if (rule) judged.forEach((zone) => chips.append(chip(rule, zone)));
  return row;
}
function chip(rule, zone) {
  const wrap = document.createElement("label"), box = document.createElement("input");
  box.type = "checkbox"; box.checked = (rule.zones || []).includes(zone.id);
  wrap.append(box, ` ${zone.name || zone.id}`);
  box.onchange = () => {
    store.remember();
    const left = (rule.zones || []).filter((id) => id !== zone.id);
    put(rule, "zones", box.checked ? [...left, zone.id] : left); store.change();
  };
  return wrap;
}

function send(path) {
  return ask(path, {headers: {"content-type": "application/json", "x-csrf": csrf()}, body: JSON.stringify({version, zones: store.zones, rules})});
}
// What is drawn stays in this tab until it is saved, as what is typed does.
const draft = `edge-words ${document.body.dataset.who} zones ${camera}`;
function keepDrawing() {
  keep("zones", true);
  sessionStorage.setItem(draft, JSON.stringify({version, zones: store.zones, rules}));
}
function forgetDrawing() { keep("zones", false); sessionStorage.removeItem(draft); }
function tell(text, bad, ...more) {
  told.className = bad ? "bad" : "good"; told.replaceChildren(text, ...more);
}
function wait() { told.className = "soft"; told.textContent = "…"; }
function small(tag, text) { const node = document.createElement(tag); node.textContent = text; return node; }

async function save() {
  if (pen.open) pen.close();
  wait();
  const answer = await send(`/data/zones/${encodeURIComponent(camera)}`), {body} = answer;
  if (answer.ok) {
    version = body.version; forgetDrawing();
    inForce = new Set(store.zones.map((zone) => zone.id)); store.change();
    const link = small("a", words.live); link.href = "/live";
    tell(`${words.saved} `, false, link);
  } else if (answer.status === 409) {
    const again = small("button", words.theirs); again.type = "button"; again.className = "quiet"; again.onclick = () => { forgetDrawing(); location.reload(); };
    tell(words.conflict, true, small("pre", body.conflict), again);
  } else refused(answer);
}
function refused(answer) {
  const more = answer.body.error && answer.body.error !== answer.said ? [small("small", ` ${answer.body.error}`)] : [];
  tell(answer.said, true, ...more);
}
async function trial() {
  if (pen.open) pen.close();
  wait();
  const answer = await send(`/data/zones/${encodeURIComponent(camera)}/try`), {body} = answer;
  if (!answer.ok) { refused(answer); return; }
  const name = (id) => (categories[id] || {})[document.documentElement.lang.slice(0, 2)] || id;
  const counts = {};
  body.raised.forEach((one) => { counts[one.category] = (counts[one.category] || 0) + 1; });
  const by = Object.entries(counts).map(([id, n]) => `${name(id)} ${n}`).join("，");
  const minutes = words.tried.replace("{n}", (body.seconds / 60).toFixed(1));
  const not = body.untried.length ? ` ${words.untried}${body.untried.map(name).join("，")}` : "";
  tell(`${words.would.replace("{n}", body.raised.length)}（${minutes}）${by ? ` ${by}` : ""}${not}`, false);
}

function picture() {
  // A camera that was just added gives its first picture some seconds later.
  still.src = `/data/picture/${encodeURIComponent(camera)}?${Date.now()}`;
}
still.onload = () => { waits = 0; still.alt = words.name; document.getElementById("waiting").hidden = true; pen.render(); };
still.onerror = () => {
  still.removeAttribute("src"); document.getElementById("waiting").hidden = false;
  if (waits < 60) { waits += 1; setTimeout(picture, PICTURE_EVERY_MS); }
};

async function start() {
  const answer = await fetch(`/data/zones/${encodeURIComponent(camera)}`);
  if (answer.ok) { let zones; ({version, zones, rules} = await answer.json()); store.zones = zones; inForce = new Set(zones.map((zone) => zone.id)); }
  const kept = words.editable === "yes" && sessionStorage.getItem(draft);
  if (kept) { store.remember(); ({version, zones: store.zones, rules} = JSON.parse(kept)); tell(words.kept, false); }
  picture(); store.change();
}
const press = (id, what) => { const node = document.getElementById(id); if (node) node.onclick = what; };
press("undo", () => store.undo());
press("finish", () => { if (pen.open) { store.remember(); pen.close(); } });
press("line", () => { pen.line = true; pen.open = null; store.choose(-1); });
press("refresh", picture);
let busy = false;
const once = (what) => () => { if (!busy) { busy = true; what().finally(() => { busy = false; }); } };
press("try", once(trial));
press("save", once(save));
window.addEventListener("resize", () => pen.render());
start();
