// Reviewing by keys: J and K change the case, Y says it was right, N asks why not, R goes to the
// reason, the digits press the numbered buttons, U takes the last word back.
"use strict";
const answer = document.getElementById("answer") || document.createElement("form"), reason = answer.elements.reason || document.createElement("input");
let leaving = false;
answer.addEventListener("leaving", () => { leaving = true; });
answer.addEventListener("submit", (event) => {
  const asked = event.submitter && event.submitter.value;
  if (["rejected", "confirmed:paused"].includes(asked) && !reason.value.trim()) { event.preventDefault(); reason.focus(); }
});
addEventListener("pageshow", (event) => { if (event.persisted) leaving = false; });
addEventListener("beforeunload", (event) => { if (!leaving && reason.value.trim()) event.preventDefault(); });

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
