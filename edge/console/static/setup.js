// A test picture before anything is saved; cameras on this network.
"use strict";
const form = document.getElementById("camera"), place = document.getElementById("snapped");

function refusal(node, answer) {
  node.className = "bad"; node.textContent = answer.said;
  if (answer.body.error && answer.body.error !== answer.said) {
    const small = document.createElement("small");
    small.textContent = ` ${answer.body.error}`; node.append(small);
  }
}

async function snap() {
  place.textContent = place.dataset.waiting; place.className = "soft";
  const answer = await ask("/setup/snap", formOf(form));
  if (!answer.blob) { refusal(place, answer); return; }
  const image = new Image();
  image.src = URL.createObjectURL(answer.blob); image.alt = form.source.value.replace(/\/\/[^@/]*@/, "//");
  place.className = ""; place.replaceChildren(image);
}

async function find(button) {
  const list = document.getElementById("found");
  offered(list, button, await asked(list, button, "/setup/find", {body: new URLSearchParams({csrf: form.csrf.value})}), "cameras", (camera) => [
    `${camera.name || camera.model || "ONVIF"} ${camera.host}`,
    () => { onvif.open = true; onvif.querySelector("form").host.value = camera.host; form.source.value = camera.source; form.name.value ||= camera.name || ""; form.source.focus(); },
  ]);
}

async function streams(login) {
  const list = document.getElementById("streams");
  offered(list, login, await asked(list, login, "/setup/streams", formOf(login)), "streams", (stream) => [
    `${stream.name} ${stream.codec} ${stream.width}×${stream.height}`,
    () => { form.source.value = stream.source; sent(login); document.getElementById("snap").click(); },
  ]);
}

function asked(list, words, path, options) {
  const line = document.createElement("li");
  line.textContent = words.dataset.searching; list.replaceChildren(line);
  return ask(path, options);
}

// One button for each row of the answer; a refusal or an empty answer is one line.
function offered(list, words, answer, key, shown) {
  const rows = (answer.body[key] || []).map((one) => {
    const row = document.createElement("li"), take = document.createElement("button"), [text, taken] = shown(one);
    take.type = "button"; take.className = "quiet"; take.textContent = text; take.onclick = taken;
    row.append(take); return row;
  });
  const line = document.createElement("li");
  if (answer.ok) line.textContent = words.dataset.none; else refusal(line, answer);
  list.replaceChildren(...(rows.length ? rows : [line]));
}

const onvif = document.getElementById("onvif");
if (onvif) onvif.querySelector("form").onsubmit = (event) => {
  event.preventDefault(); streams(event.target);
};
for (const picture of document.querySelectorAll(".cameras img")) {
  const hide = () => { picture.style.visibility = "hidden"; };
  picture.onerror = hide; if (picture.complete && !picture.naturalWidth) hide();
}
if (form) {
  const snapper = document.getElementById("snap"), finder = document.getElementById("find");
  if (snapper) snapper.onclick = snap;
  if (finder) finder.onclick = () => find(finder);
}
