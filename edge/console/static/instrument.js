// An instrument tried as the form has it, before it is saved: one sentence says what came.
"use strict";
const form = document.getElementById("sensor"), told = document.getElementById("told"), button = document.getElementById("try");
async function tryIt() {
  if (!form.reportValidity()) return;
  button.disabled = true; told.className = "soft"; told.textContent = button.dataset.waiting;
  const answer = await ask("/setup/sensor/try", formOf(form));
  told.className = answer.ok ? "good" : "bad"; told.textContent = answer.ok ? answer.body.said : answer.said;
  if (answer.body.error) { const small = document.createElement("small"); small.textContent = ` ${answer.body.error}`; told.append(small); }
  const known = document.getElementById("ports");
  for (const port of answer.body.ports || []) if (![...known.options].some((one) => one.value === port)) known.append(new Option(port, port));
  told.scrollIntoView({block: "nearest"}); button.disabled = false;
}
if (button) button.onclick = tryIt;
