// What a page does by itself: ages that tick, the watch over live updates, the probe of the server, and Shift three times.
// It only reads. Every act on a page is a plain form that works without this file, and nothing here can take one away.
(() => {
  "use strict";
  const doc = document, root = doc.documentElement;
  const BEAT_LOST_MS = 6000, PROBE_MS = 10000, RETRY_MS = 3000, PROBE_TIMEOUT_MS = 2500, SHIFT_WINDOW_MS = 3000;
  const byId = id => doc.getElementById(id);
  const show = (id, on) => { const element = byId(id); if (element) element.hidden = !on; };

  // The server's clock: the page carries it at load, each beat carries it again. A wrong clock on this device changes nothing.
  let skew = (Number(root.dataset.now) || Date.now()) - Date.now();
  const serverNow = () => Date.now() + skew;
  const clock = ms => new Date(ms).toISOString().slice(11, 19) + "Z";

  // Durations in the words of the server's own rendering.
  const span = ms => {
    const s = Math.max(0, Math.round(ms / 1000));
    if (s < 120) return s + " s";
    if (s < 7200) return Math.floor(s / 60) + " min";
    if (s < 172800) return Math.floor(s / 3600) + " h";
    return Math.floor(s / 86400) + " days";
  };
  // What is left is rounded to the nearest: what was made for 24 h a moment ago says so.
  const left = ms => {
    const s = Math.ceil(Math.max(0, ms) / 1000);
    if (s < 120) return s + " s";
    if (s < 7200) return Math.round(s / 60) + " min";
    if (s < 172800) return Math.round(s / 3600) + " h";
    return Math.round(s / 86400) + " days";
  };
  const put = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };

  // Ages. <… data-at="ms" data-late data-stale data-lapse> holds values; its .rel or .age says how old they are.
  const AGES = ["is-fresh", "is-late", "is-stale", "is-lapsed"];
  const tick = () => {
    const now = serverNow();
    for (const box of doc.querySelectorAll("[data-at]")) {
      const age = now - Number(box.dataset.at);
      for (const word of box.querySelectorAll(".rel, .age")) put(word, span(age) + " ago");
      if (!box.dataset.late) continue;
      const { late, stale, lapse } = box.dataset;
      const is = AGES[age > lapse ? 3 : age > stale ? 2 : age > late ? 1 : 0];
      if (!box.classList.contains(is)) { box.classList.remove(...AGES); box.classList.add(is); }
    }
    for (const box of doc.querySelectorAll("[data-until]")) {
      const ms = Number(box.dataset.until) - now;
      put(box, ms > 0 ? "in " + left(ms) : "passed");
    }
    watch();
  };

  // Live updates: a named event every 2 s. Without one for 6 s the page says so; it never keeps quiet about old figures.
  const live = () => doc.querySelector("[data-live]");
  let lastBeat = Date.now(), moved = false;
  doc.addEventListener("beat", event => {
    const sent = Number(event.detail && event.detail.data);
    if (sent) skew = sent - Date.now();
    lastBeat = Date.now();
    failures = 0;
    server("here");
  }, true);
  // When each agent on this page was last heard, by bot: rows keep their age from it.
  doc.addEventListener("heard", event => {
    let heard = {};
    try { heard = JSON.parse(event.detail.data); } catch { return; }
    for (const [bot, at] of Object.entries(heard)) {
      const row = byId("bot-" + bot);
      if (!row) continue;
      row.dataset.at = at;
      row.classList.remove("is-unknown");
    }
  }, true);
  doc.addEventListener("superseded", () => { moved = true; }, true);
  // The session ended or fell asleep: said at once, and nothing asks for figures any more.
  doc.addEventListener("over", event => {
    show(event.detail && event.detail.data === "idle" ? "idle" : "ended", true);
    show("lost", false);
    live()?.remove();
  }, true);
  const watch = () => {
    if (!live() || doc.hidden) return;
    const lost = !moved && Date.now() - lastBeat > BEAT_LOST_MS;
    show("moved", moved);
    show("lost", lost && root.dataset.server !== "lost");
    if (lost) put(byId("lost-at"), clock(lastBeat + skew));
  };

  // The server: one probe in 10 s while all is well and no beat proves it anyway, every 3 s after a failure. Two failures: hollow.
  let failures = 0, since = 0;
  const server = state => {
    if (root.dataset.server === state) return;
    root.dataset.server = state;
    show("unreachable", state === "lost");
    if (state === "lost") put(byId("unreachable-at"), clock(since));
  };
  const probe = async () => {
    if (!doc.hidden && !(live() && Date.now() - lastBeat < RETRY_MS)) {
      const stop = new AbortController();
      const timer = setTimeout(() => stop.abort(), PROBE_TIMEOUT_MS);
      try {
        const answer = await fetch("/healthz", { cache: "no-store", credentials: "omit", signal: stop.signal });
        if (!answer.ok) throw new Error("not well");
        failures = 0;
        server("here");
      } catch {
        if (!doc.hidden) {
          if (!failures) since = serverNow();
          failures += 1;
          if (failures >= 2) server("lost");
        }
      }
      clearTimeout(timer);
    }
    setTimeout(probe, failures ? RETRY_MS : PROBE_MS);
  };

  // Shift three times opens /pause; it opens, and commits nothing. Any other key in between starts over.
  let shifts = [];
  doc.addEventListener("keyup", event => {
    if (event.key !== "Shift" || root.dataset.shortcuts === "off") { shifts = []; return; }
    shifts = [...shifts.filter(at => event.timeStamp - at < SHIFT_WINDOW_MS), event.timeStamp];
    if (shifts.length >= 3 && byId("pause")) { shifts = []; location.assign(byId("pause").href + "#go"); }
  });

  // Menus close on Escape and when focus or a press goes elsewhere.
  const shut = except => doc.querySelectorAll("details.menu[open]").forEach(menu => { if (!menu.contains(except)) menu.open = false; });
  doc.addEventListener("keydown", event => {
    const menu = event.key === "Escape" && doc.activeElement && doc.activeElement.closest("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });
  doc.addEventListener("focusin", event => shut(event.target));
  doc.addEventListener("click", event => shut(event.target));

  // A file that is chosen goes into the field that is sent; without this file the text can be pasted there.
  doc.addEventListener("change", async event => {
    const into = event.target.dataset && event.target.dataset.into;
    if (into && event.target.files && event.target.files[0]) byId(into).value = await event.target.files[0].text();
  });

  // A page out of the back/forward cache shows old figures as if they were new: fetch it again.
  addEventListener("pageshow", event => { if (event.persisted) location.reload(); });
  doc.addEventListener("visibilitychange", () => { if (!doc.hidden) lastBeat = Date.now(); });

  setInterval(tick, 1000);
  setTimeout(probe, RETRY_MS);
})();
