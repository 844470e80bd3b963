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
    const answer = await ask(form.getAttribute("action"), formOf(form)), row = document.createElement("p");
    row.setAttribute("role", "status"); row.className = answer.ok ? "good" : "bad"; row.textContent = answer.said;
    if (!answer.ok) { form.querySelectorAll("p").forEach((old) => old.remove()); form.append(row); return; }
    const link = document.createElement("a"); link.href = "/sensors"; link.textContent = ` ${document.querySelector('nav a[href="/sensors"]').textContent}`;
    row.append(link); sent(form); form.replaceWith(row);
  };
  again(form);
  return part;
}
async function probe() {
  button.disabled = true; told.replaceChildren(line({found: button.dataset.waiting}));
  const body = new URLSearchParams({csrf: document.querySelector('meta[name="csrf"]').content});
  const answer = await ask(button.dataset.ask, {body});
  told.replaceChildren(...(answer.body.lines || [{level: "wrong", found: answer.said}]).map(line));
  button.disabled = false;
}
if (button) button.onclick = probe;
