// A test picture before anything is saved.
"use strict";
const form = document.getElementById("camera"), place = document.getElementById("snapped");
if (form) document.getElementById("snap").onclick = async () => {
  place.textContent = "…"; place.className = "";
  const answer = await fetch("/setup/snap", {method: "POST", body: new URLSearchParams(new FormData(form))});
  if (answer.ok) {
    const image = new Image();
    image.src = URL.createObjectURL(await answer.blob()); image.alt = form.source.value;
    place.replaceChildren(image);
  } else {
    place.className = "bad"; place.textContent = (await answer.json()).error;
  }
};
