// Asks for the live numbers once a second. Stops while the tab is hidden or the reader has paused,
// waits longer after each failure, and tells how old the numbers on the screen are.
import { $, Problem, ask, emit, html } from "./dom.js";

const EVERY = 1000;
const SLOWEST = 15000;
const PATIENCE = 5000;

let timer = 0;
let asking = null;
let paused = false;
let failures = 0;
let trouble = "";
let updated = 0;

export function start() {
  const button = $("[data-pause]");
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Resume updates" : "Pause updates";
    paused ? stop() : tick();
    tellAge();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : tick()));
  setInterval(tellAge, 1000);
  tick();
}

/** Asks now, without waiting for the next poll: something was changed. */
export function soon() {
  if (!paused) tick();
}

function stop() {
  clearTimeout(timer);
  timer = 0;
  asking?.abort("stopped");
}

async function tick() {
  stop();
  if (paused || document.hidden) return;
  const mine = new AbortController();
  asking = mine;
  const limit = setTimeout(() => mine.abort("timeout"), PATIENCE);
  try {
    const metrics = await ask("/api/metrics", { signal: mine.signal });
    if (asking !== mine) return;
    const wasAway = failures > 0;
    failures = 0;
    updated = Date.now();
    emit("metrics", metrics);
    if (wasAway) emit("back");
  } catch (error) {
    if (asking !== mine || mine.signal.reason === "stopped") return;
    failures += 1;
    trouble = error instanceof Problem ? error.message : "The page's server does not answer.";
  } finally {
    clearTimeout(limit);
  }
  tellAge();
  timer = setTimeout(tick, failures ? Math.min(SLOWEST, EVERY * 2 ** failures) : EVERY);
}

function tellAge() {
  const box = $("[data-freshness]");
  const age = updated ? Math.round((Date.now() - updated) / 1000) : null;
  const since = age === null ? "" : age < 1 ? "updated just now" : `updated ${age} s ago`;
  const fresh = !paused && !failures && age !== null && age < 5;
  document.documentElement.classList.toggle("fresh", fresh);
  document.documentElement.classList.toggle("stale", !fresh && updated + failures > 0 && !paused);
  if (paused) box.textContent = `Paused, ${since || "nothing read yet"}`;
  else if (failures) box.replaceChildren(html("strong", {}, trouble), ` ${since}`);
  else if (since) box.textContent = since[0].toUpperCase() + since.slice(1);
}
