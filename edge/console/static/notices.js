// "Send a test" beside each chat; "are you sure" before one is taken out.
"use strict";
for (const one of document.querySelectorAll("form.tested")) {
  one.onsubmit = async (event) => {
    event.preventDefault();
    const told = one.closest("section").querySelector(".told");
    told.className = "told soft"; told.textContent = "…";
    const answer = await ask(one.getAttribute("action"), formOf(one));
    told.className = answer.ok ? "told good" : "told bad"; told.textContent = answer.said;
  };
}
