// Forms that lose nothing. What is typed stays in this tab until it has arrived, for the same person
// only; a form goes out once, and not at all while the box cannot be reached. Passwords are never kept.
"use strict";
(() => {
  const said = document.body.dataset, mine = `edge-words ${said.who} `, nobody = "edge-words  ", PING_MS = 8000, LONGEST = 1000000;
  const NEVER = ["hidden", "password", "file", "submit", "button"], ABOUT = ["version", "was"];
  const fields = (form) => [...form.elements].filter((one) => one.name && !NEVER.includes(one.type));
  const about = (form) => [...form.elements].filter((one) => ABOUT.includes(one.name));
  const typed = (one) => (one.type === "checkbox" ? one.checked !== one.defaultChecked
    : one.options ? one.selectedIndex !== first(one) : one.value !== one.defaultValue);
  const first = (select) => Math.max(0, [...select.options].findIndex((row) => row.defaultSelected));
  const value = (one) => (one.type === "checkbox" ? one.checked : one.value);
  const name = (one) => (one.type === "checkbox" ? `${one.name}=${one.value}` : one.name);
  // The same form on another page of this box is the same form; two cases have two.
  // What comes before a log-in belongs to nobody yet, also where another tab has logged in meanwhile.
  const OUTSIDE = ["/login", "/first", "/recover"];
  const key = (form) => (OUTSIDE.includes(form.getAttribute("action")) ? nobody : mine) + form.getAttribute("action") + " "
    + [...form.querySelectorAll("input[type=hidden]")].filter((one) => !["csrf", "to", "filters", "username", "snippet", ...ABOUT].includes(one.name)).map((one) => one.value).join(" ");
  const forms = () => [...document.querySelectorAll("form[method=post]")];

  function read(where) { try { return JSON.parse(sessionStorage.getItem(where)); } catch { return null; } }
  function write(where, row) { try { sessionStorage.setItem(where, JSON.stringify(row)); } catch { /* full: the page still asks before it is left */ } }
  function remember(form) {
    // What was typed before a refusal stands in the refused page as if it had always been there.
    const before = new Map((read(key(form)) || {words: []}).words);
    const changed = fields(form).filter((one) => typed(one) || before.get(name(one)) === value(one));
    if (!changed.length) { sessionStorage.removeItem(key(form)); return; }
    write(key(form), {words: changed.map((one) => [name(one), value(one)]), about: about(form).map((one) => [one.name, one.value])});
  }
  function restore(form) {
    const kept = read(key(form));
    if (!kept) return;
    for (const [at, words] of kept.words) {
      const one = fields(form).find((row) => name(row) === at);
      if (!one || value(one) === words) continue;
      if (one.type === "checkbox") one.checked = words; else one.value = words;
      one.dispatchEvent(new Event("input", {bubbles: true}));
      for (let box = one.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    }
    // A refused form brings what it is about itself.
    if (!said.refused) for (const [at, words] of kept.about) form.elements[at].value = words;
  }

  // Words that were sent have arrived if this page is neither a refusal nor a log-in, and was not gone back to.
  const [way] = performance.getEntriesByType("navigation");
  const arrived = !said.refused && !said.login && !(way && way.type === "back_forward");
  for (const where of Object.keys(sessionStorage).filter((one) => one.startsWith("edge-words "))) {
    const kept = read(where);
    const others = said.who && !where.startsWith(mine) && !where.startsWith(nobody);
    if (others || !kept || (kept.sent && arrived)) sessionStorage.removeItem(where);
    else if (kept.sent) write(where, {...kept, sent: false});
  }
  forms().forEach(restore);
  document.addEventListener("input", (event) => { const form = event.target.form; if (form && form.method === "post") remember(form); });
  document.addEventListener("change", (event) => { const form = event.target.form; if (form && form.method === "post") remember(form); });

  // Leaving with work unsaved asks first: forms that say `data-unsaved`, and whatever else calls keep().
  const unsaved = new Set();
  window.keep = (what, on) => { if (on) unsaved.add(what); else unsaved.delete(what); };
  window.addEventListener("beforeunload", (event) => { if (unsaved.size) event.preventDefault(); });
  document.addEventListener("input", (event) => { const form = event.target.form; if (form && form.dataset.unsaved) window.keep(form, true); });

  function tell(form, words) {
    let line = form.querySelector(":scope > .refusal");
    if (!line) { line = document.createElement("p"); line.className = "bad refusal"; line.setAttribute("role", "alert"); form.prepend(line); }
    line.textContent = words;
    if (words) line.scrollIntoView({block: "nearest"}); else line.remove();
  }
  async function reachable() {
    try { return (await fetch("/healthz", {cache: "no-store", signal: AbortSignal.timeout(PING_MS)})).ok; } catch { return false; }
  }
  // What takes something away asks "are you sure" first.
  for (const one of document.querySelectorAll("form.confirm")) one.onsubmit = () => window.confirm(one.dataset.confirm);
  const going = new WeakSet();
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    event.preventDefault();
    if (going.has(form)) return;
    if (fields(form).some((one) => String(one.value).length > LONGEST)) { tell(form, said.long); return; }
    going.add(form);
    if (!await reachable()) { going.delete(form); tell(form, said.lost); return; }
    tell(form, "");
    if (form.getAttribute("action") === "/logout") forget();
    const kept = read(key(form));
    if (kept) write(key(form), {...kept, sent: true});
    if (event.submitter && event.submitter.name) {
      const pressed = document.createElement("input");
      pressed.type = "hidden"; pressed.name = event.submitter.name; pressed.value = event.submitter.value; form.append(pressed);
    }
    window.keep(form, false);
    form.dispatchEvent(new Event("leaving"));
    HTMLFormElement.prototype.submit.call(form);
  });
  function forget() {
    Object.keys(sessionStorage).filter((one) => one.startsWith("edge-words ")).forEach((one) => sessionStorage.removeItem(one));
    unsaved.clear();
  }
  addEventListener("pageshow", (event) => { if (event.persisted) forms().forEach((form) => going.delete(form)); });

  // One question of a script to the box: {ok, status, body}, and in `said` one sentence where it is refused.
  // Two at once of the same kind are one: a double click asks nothing twice. A session that is over
  // leads to the log-in and back.
  const under = new Map();
  window.ask = (path, options = {}) => {
    if (!under.has(path)) under.set(path, question(path, options).finally(() => under.delete(path)));
    return under.get(path);
  };
  async function question(path, options) {
    let answer;
    try { answer = await fetch(path, {method: "POST", ...options}); } catch { return {ok: false, status: 0, body: {}, said: said.lost}; }
    if (answer.status === 401 || (answer.redirected && new URL(answer.url).pathname === "/login")) {
      unsaved.clear();
      location.assign(`/login?to=${encodeURIComponent(location.pathname + location.search)}`);
      return {ok: false, status: 401, body: {}, said: said.over};
    }
    if ((answer.headers.get("content-type") || "").startsWith("image/")) return {ok: answer.ok, status: answer.status, body: {}, blob: await answer.blob()};
    const body = await answer.json().catch(() => null);
    const words = body && (body.said || body.error);
    return {ok: answer.ok && body !== null, status: answer.status, body: body || {}, said: words || (answer.ok && body ? "" : answer.status === 413 ? said.long : said.failed)};
  }
  // A form that a script made: what was typed into it before stands in it again.
  window.again = restore;
  window.sent = (form) => { sessionStorage.removeItem(key(form)); window.keep(form, false); };
  window.formOf = (form) => ({body: new URLSearchParams(new FormData(form))});

  // What asks by itself says when nobody answers: an old page must not look like a new one.
  const banner = document.getElementById("lost");
  window.reached = (well) => { banner.hidden = well; };
})();
