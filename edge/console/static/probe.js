// One question to a daemon, its answer as lines: what was found, what to do.
"use strict";
const button = document.getElementById("probe"), told = document.getElementById("told");
function line(row) {
  const item = document.createElement("li");
  item.className = {well: "good", wrong: "bad"}[row.level] || "";
  item.textContent = row.found;
  if (row.do) { const small = document.createElement("small"); small.textContent = ` → ${row.do}`; item.append(small); }
  if (row.snippet) { const code = document.createElement("pre"); code.textContent = row.snippet; item.append(code); }
  return item;
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
