// One question to a daemon, its answer as lines: what was found, what to do.
"use strict";
const button = document.getElementById("probe"), told = document.getElementById("told");
function line(row) {
  const item = document.createElement("li");
  item.className = {well: "good", wrong: "bad"}[row.level] || "";
  item.textContent = row.found;
  if (row.do) { const small = document.createElement("small"); small.textContent = ` → ${row.do}`; item.append(small); }
  if (row.snippet) { const code = document.createElement("pre"); code.textContent = row.snippet; item.append(code, adding(row.snippet)); }
  return item;
}
// What was found goes into the site file with a name and how it is judged; then it is on Sensors.
function adding(snippet) {
  const part = document.getElementById("adding").content.cloneNode(true), form = part.querySelector("form");
  form.snippet.value = snippet;
  form.onsubmit = async (event) => {
    event.preventDefault();
    const answer = await fetch(form.action, {method: "POST", body: new URLSearchParams(new FormData(form))}).catch(() => null);
    const body = answer ? await answer.json().catch(() => ({said: String(answer.status)})) : {said: "–"};
    const said = document.createElement("p"); said.setAttribute("role", "status");
    said.className = answer && answer.ok ? "good" : "bad"; said.textContent = body.said;
    if (answer && answer.ok) { const link = document.createElement("a"); link.href = "/sensors"; link.textContent = ` ${document.querySelector('nav a[href="/sensors"]').textContent}`; said.append(link); form.replaceWith(said); } else { form.querySelectorAll("p").forEach((old) => old.remove()); form.append(said); }
  };
  return part;
}
async function ask() {
  button.disabled = true; told.replaceChildren(line({found: button.dataset.waiting}));
  const csrf = document.querySelector('meta[name="csrf"]').content;
  try {
    const answer = await fetch(button.dataset.ask, {method: "POST", body: new URLSearchParams({csrf})});
    const body = await answer.json().catch(() => ({lines: [{level: "wrong", found: String(answer.status)}]}));
    told.replaceChildren(...body.lines.map(line));
  } catch (error) { told.replaceChildren(line({level: "wrong", found: String(error)})); }
  button.disabled = false;
}
if (button) button.onclick = ask;
