// Leaving with work unsaved asks first: forms that say `data-unsaved`, and whatever else calls keep().
"use strict";
const unsaved = new Set();
function keep(what, on) { if (on) unsaved.add(what); else unsaved.delete(what); }
window.addEventListener("beforeunload", (event) => { if (unsaved.size) event.preventDefault(); });
for (const one of document.querySelectorAll("form[data-unsaved]")) {
  one.addEventListener("input", () => keep(one, true));
  one.addEventListener("submit", () => keep(one, false));
}
