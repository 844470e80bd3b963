// A test picture before anything is saved; cameras on this network; "are you sure".
"use strict";
const form = document.getElementById("camera"), place = document.getElementById("snapped");

async function snap() {
  place.textContent = place.dataset.waiting; place.className = "soft";
  const answer = await fetch("/setup/snap", {method: "POST", body: new URLSearchParams(new FormData(form))});
  if (answer.ok) {
    const image = new Image();
    image.src = URL.createObjectURL(await answer.blob()); image.alt = form.source.value.replace(/\/\/[^@/]*@/, "//");
    place.className = ""; place.replaceChildren(image);
  } else {
    const body = await answer.json().catch(() => ({said: String(answer.status)}));
    place.className = "bad"; place.textContent = body.said;
    if (body.error && body.error !== body.said) {
      const small = document.createElement("small");
      small.textContent = ` ${body.error}`; place.append(small);
    }
  }
}

async function find(button) {
  const list = document.getElementById("found"), line = document.createElement("li");
  line.textContent = button.dataset.searching; list.replaceChildren(line);
  const answer = await fetch("/setup/find", {method: "POST", body: new URLSearchParams({csrf: form.csrf.value})});
  const body = await answer.json().catch(() => ({said: String(answer.status)}));
  const rows = (body.cameras || []).map((camera) => {
    const row = document.createElement("li"), take = document.createElement("button");
    take.type = "button"; take.className = "quiet"; take.textContent = `${camera.name || camera.model || "ONVIF"} ${camera.host}`;
    take.onclick = () => { onvif.open = true; onvif.querySelector("form").host.value = camera.host; form.source.value = camera.source; form.name.value ||= camera.name || ""; form.source.focus(); };
    row.append(take); return row;
  });
  line.textContent = body.said || button.dataset.none;
  list.replaceChildren(...(rows.length ? rows : [line]));
}

async function ask(sent) {
  const list = document.getElementById("streams"), line = document.createElement("li");
  line.textContent = sent.dataset.searching; list.replaceChildren(line);
  const answer = await fetch("/setup/streams", {method: "POST", body: new URLSearchParams(new FormData(sent))});
  const body = await answer.json().catch(() => ({said: String(answer.status)}));
  const rows = (body.streams || []).map((stream) => {
    const row = document.createElement("li"), take = document.createElement("button");
    take.type = "button"; take.className = "quiet"; take.textContent = `${stream.name} ${stream.codec} ${stream.width}×${stream.height}`;
    take.onclick = () => { form.source.value = stream.source; document.getElementById("snap").click(); };
    row.append(take); return row;
  });
  line.className = body.said ? "bad" : ""; line.textContent = body.said || sent.dataset.none;
  list.replaceChildren(...(rows.length ? rows : [line]));
}

const onvif = document.getElementById("onvif");
if (onvif) onvif.querySelector("form").onsubmit = (event) => {
  event.preventDefault();
  ask(event.target).catch((error) => { document.getElementById("streams").textContent = String(error); });
};
for (const picture of document.querySelectorAll(".cameras img")) {
  const hide = () => { picture.style.visibility = "hidden"; };
  picture.onerror = hide; if (picture.complete && !picture.naturalWidth) hide();
}
if (form) {
  document.getElementById("snap").onclick = () => snap().catch((error) => { place.textContent = String(error); });
  const finder = document.getElementById("find");
  if (finder) finder.onclick = () => find(finder).catch((error) => { place.textContent = String(error); });
}
for (const one of document.querySelectorAll("form.confirm")) {
  one.onsubmit = () => window.confirm(one.dataset.confirm);
}
