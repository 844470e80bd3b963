// Recordings go up one after the other; what runs is asked for every two seconds.
"use strict";
const card = document.getElementById("upload"), every = 2000;

function send(file, row) {
  return new Promise((done) => {
    const bar = document.createElement("progress"), told = document.createElement("small"), asked = new XMLHttpRequest();
    bar.max = file.size; bar.value = 0; bar.setAttribute("aria-label", file.name);
    row.replaceChildren(file.name, " ", bar, " ", told);
    const wrong = (text) => { told.className = "bad"; told.textContent = text; bar.remove(); done(false); };
    if (file.size > Number(card.dataset.room)) { wrong(card.dataset.full); return; }
    asked.upload.onprogress = (now) => { bar.value = now.loaded; told.textContent = `${Math.round(100 * now.loaded / now.total)} %`; };
    asked.onerror = () => wrong(card.dataset.cut);
    asked.onload = () => {
      if (asked.status === 201) { bar.value = bar.max; told.textContent = "✓"; done(true); return; }
      if (asked.status === 401) { wrong(document.body.dataset.over); return; }
      let text = asked.status >= 500 ? document.body.dataset.failed : card.dataset.cut;
      try { text = JSON.parse(asked.responseText).error || text; } catch { /* no JSON: said as a lost connection */ }
      wrong(text);
    };
    asked.open("PUT", `/flights/recordings/${encodeURIComponent(file.name)}`);
    asked.setRequestHeader("x-csrf", document.querySelector('meta[name="csrf"]').content);
    asked.send(file);
  });
}

if (card) document.getElementById("files").onchange = async (event) => {
  const list = document.getElementById("coming"), files = [...event.target.files];
  const rows = files.map((file) => { const row = document.createElement("li"); row.textContent = file.name; list.append(row); return row; });
  let well = true;
  keep("uploads", true);
  for (const [number, file] of files.entries()) well = await send(file, rows[number]) && well;
  event.target.value = ""; keep("uploads", false);
  if (well && files.length) location.reload();
};

function left(seconds) {
  const minutes = Math.ceil(seconds / 60);
  return minutes > 90 ? `${(minutes / 60).toFixed(1)} h` : `${minutes} min`;
}

async function look() {
  const shown = [...document.querySelectorAll("[data-flight]")];
  const waits = shown.filter((one) => ["waiting", "running"].includes(one.dataset.state));
  if (!waits.length && !location.search.includes("asked=")) return;
  if (!document.hidden) {
    const answer = await fetch("/data/flights").catch(() => null);
    reached(answer !== null);
    if (answer && answer.ok && !answer.redirected) {
      const flights = (await answer.json()).flights, asked = new URLSearchParams(location.search).get("asked");
      if (asked && flights[asked] && !shown.some((one) => one.dataset.flight === asked)) { location.replace(location.pathname); return; }
      for (const one of waits) {
        const now = flights[one.dataset.flight];
        if (now && now.state !== one.dataset.state) { location.replace(location.pathname); return; }
        const bar = one.querySelector("progress"), words = one.querySelector(".left");
        if (bar && now && now.share !== null) bar.value = now.share;
        if (words && now && now.left_s !== null) words.textContent = `${Math.round(now.share * 100)} % · ${words.dataset.left} ${left(now.left_s)}`;
      }
    }
  }
  setTimeout(look, every);
}
look();
