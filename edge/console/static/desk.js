// The desk: a sound, the number in the title and on the icon, when new cases wait for a reviewer.
"use strict";
const bell = document.getElementById("bell"), EVERY_MS = 15000, title = document.title;
let seen = null, audio = null;
const loud = () => localStorage.getItem("edge-sound") === "on";
function paint() { bell.setAttribute("aria-pressed", String(loud())); }
function ring() {
  if (!loud()) return;
  audio ||= new AudioContext();
  for (const [at, tone] of [[0, 880], [0.18, 1175]]) {
    const wave = audio.createOscillator(), level = audio.createGain(), begin = audio.currentTime + at;
    wave.frequency.value = tone; level.gain.setValueAtTime(0.25, begin); level.gain.exponentialRampToValueAtTime(0.001, begin + 0.35);
    wave.connect(level).connect(audio.destination); wave.start(begin); wave.stop(begin + 0.4);
  }
}
async function count() {
  const answer = await fetch("/data/desk").catch(() => null);
  if (answer && answer.ok && !answer.redirected) {
    const now = await answer.json();
    document.title = now.open ? `(${now.open}) ${title}` : title;
    if (navigator.setAppBadge) (now.open ? navigator.setAppBadge(now.open) : navigator.clearAppBadge()).catch(() => {});
    document.getElementById("waits").textContent = now.open > 99 ? "99+" : now.open || "";
    if (seen !== null && now.newest && now.newest > seen) ring();
    seen = now.newest || seen || "";
  }
  setTimeout(count, EVERY_MS);
}
if (bell) {
  bell.onclick = () => { localStorage.setItem("edge-sound", loud() ? "off" : "on"); paint(); ring(); };
  paint(); count();
}
