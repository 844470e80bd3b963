// Teaching a fixed place: a click keeps what it looks like now, another takes it back.
"use strict";
const page = document.querySelector(".teach"), words = page.dataset, still = document.getElementById("still");
const told = document.getElementById("told"), surely = document.getElementById("surely"), use = document.getElementById("use");
const address = `/teach/${encodeURIComponent(words.camera)}/${encodeURIComponent(words.zone)}`;
const csrf = document.querySelector("meta[name=csrf]").content;

async function step(fields) {
  document.querySelectorAll(".teach button").forEach((one) => { one.disabled = true; });
  surely.className = "soft";
  const answer = await ask(address, {body: new URLSearchParams({csrf, ...fields})});
  document.querySelectorAll(".teach button").forEach((one) => { one.disabled = false; });
  told.textContent = answer.said; told.className = answer.ok ? "" : "bad";
  if (answer.ok) render(answer.body);
  return answer.ok;
}

function render(body) {
  const fill = (text) => text.replace(/\{(\w+)\}/g, (_, name) => body[name]);
  const rules = body.rules.length ? ` ${words.rules}: ${body.rules.join(" ")}` : "";
  surely.textContent = fill(body.ready ? words.surely : words.more) + rules;
  surely.className = body.ready && body.wrong === 0 && body.right > body.untold ? "good" : "warn";
  if (use) use.disabled = !body.ready;
  for (const card of document.querySelectorAll(".look")) {
    const names = body.looks[card.dataset.look] || [];
    card.querySelector(".count").textContent = names.length;
    card.querySelector(".taught").replaceChildren(...names.map((name) => picture(card.dataset.look, name)));
  }
}

function picture(look, name) {
  const row = document.createElement("li"), image = new Image(96, 96);
  image.src = `/data/taught/${encodeURIComponent(words.camera)}/${encodeURIComponent(words.zone)}/${look}/${name}`; image.alt = "";
  row.append(image);
  if (words.editable === "yes") {
    const back = document.createElement("button");
    back.type = "button"; back.className = "quiet"; back.textContent = "×"; back.title = words.back; back.setAttribute("aria-label", words.back);
    back.onclick = () => step({do: "take_back", look, name});
    row.append(back);
  }
  return row;
}

for (const card of document.querySelectorAll(".look")) {
  const now = card.querySelector(".now");
  if (now) now.onclick = () => step({do: "teach", look: card.dataset.look});
}
if (use) use.onclick = async () => { if (await step({do: "use"})) { told.textContent = words.used; told.className = "good"; } };
const renew = () => { still.src = `/data/picture/${encodeURIComponent(words.camera)}?${Date.now()}`; };
setInterval(renew, 2000); renew();
if (words.editable === "yes") step({do: "show"});
