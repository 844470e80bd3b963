// Reviewing by keys: J and K change the case, Y says it was right, N asks why not, R goes to the
// reason, the digits press the numbered buttons, U takes the last word back. What was written
// outlives a session that ends: it is kept in this tab until it was sent.
"use strict";
const answer = document.getElementById("answer") || document.createElement("form"), reason = answer.elements.reason || document.createElement("input");
const draft = `reason ${answer.action}`;
let sent = false;

reason.value = reason.value || sessionStorage.getItem(draft) || "";
reason.oninput = () => { reason.value ? sessionStorage.setItem(draft, reason.value) : sessionStorage.removeItem(draft); };
answer.onsubmit = (event) => {
  if (sent) { event.preventDefault(); return; }
  const asked = event.submitter && event.submitter.value;
  if (["rejected", "confirmed:paused"].includes(asked) && !reason.value.trim()) { event.preventDefault(); reason.focus(); return; }
  sent = true;
};
// The word has arrived: this page was made after it.
for (const key of Object.keys(sessionStorage)) {
  const done = answer.dataset.done;
  if (done && key.includes(`/cases/${done}/`)) sessionStorage.removeItem(key);
}
addEventListener("pageshow", (event) => { if (event.persisted) sent = false; });
addEventListener("beforeunload", (event) => { if (!sent && reason.value.trim()) event.preventDefault(); });

const press = (selector) => { const found = document.querySelector(selector); if (found) found.click(); return Boolean(found); };
const keys = {
  j: () => press("[rel=next]"), k: () => press("[rel=prev]"), y: () => press("[data-key=Y]"),
  n: () => { reason.focus(); return true; }, r: () => { reason.focus(); return true; }, u: () => press("#undo button"),
  s: () => press("[data-key=S]"), p: () => press("[data-key=P]"), a: () => press("#all"),
};
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=hidden]),select,textarea,dialog[open]");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const done = /^[1-9]$/.test(event.key) ? () => press(`[data-key="${event.key}"]`) : keys[event.key.toLowerCase()];
  if (done && done()) event.preventDefault();
});

// Equal cases that are ticked get the same answer.
const all = document.getElementById("all"), equal = [...document.querySelectorAll(".equal [name^=also_]")];
if (all) all.onchange = () => equal.forEach((one) => { one.checked = all.checked; });
