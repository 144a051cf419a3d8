// The numbers that keep themselves up to date, and the drawing of a post's way. What moves there
// moves because a counter moved: nothing is played for show.
import { $, $$, calm, on, svg } from "./dom.js";
import { formats, number, pick } from "./format.js";

const MOST_PULSES = 5;
const SHOWN = 3000;
const fading = {};
let pushed = "";

/** posts.total is no field of its own; everything else is looked up as it is. */
export function lookUp(metrics, path) {
  if (path === "posts.total") return Object.values(metrics.fanout.posts_total).reduce((a, b) => a + b, 0);
  return pick(metrics, path);
}

export function start() {
  let before = null;
  on("metrics", (metrics) => {
    for (const element of $$("[data-live]")) {
      element.textContent = formats[element.dataset.format](lookUp(metrics, element.dataset.live));
    }
    drawQueue(metrics);
    if (before) {
      moved("deliveries", metrics.fanout.deliveries_total - before.fanout.deliveries_total);
      moved("jobs", metrics.fanout.jobs_total - before.fanout.jobs_total + metrics.queue.jobs - before.queue.jobs);
    }
    before = metrics;
  });
  on("fanout", drawGrid);
  on("pull", drawPull);
}

function drawQueue({ queue, backpressure }) {
  $$("[data-slots] .slot").forEach((slot, i) => slot.classList.toggle("on", i < queue.jobs));
  const fill = $("[data-backlog] .tank-fill");
  const share = Math.min(1, backpressure.fullest_shard / (backpressure.high || 1));
  const height = backpressure.fullest_shard ? Math.max(2, share * 70) : 0;
  fill.setAttribute("y", 80 - height);
  fill.setAttribute("height", height);
}

/** The timelines that the last post was delivered to: each cell stands for an equal share of the followers.
    A pulled post has none; as the `second` of two it leaves the first one's picture. */
function drawGrid({ status, recipients, delivered, skipped, second }) {
  const pulled = status === "pull";
  if (!pulled) pushed = `The pushed post is in ${number(delivered)} of ${number(recipients - skipped)}.`;
  else if (!second) pushed = "";
  $("[data-grid-note]").textContent = pulled ? `${pushed} The pulled post waits in its log.` : pushed;
  if (pulled && second) return;
  const cells = $$("[data-grid] .cell");
  const filled = recipients && !pulled ? Math.round((cells.length * delivered) / recipients) : 0;
  cells.forEach((cell, i) => cell.classList.toggle("on", i < filled));
}

/** How many went through since the last look, as a number and as pulses. */
function moved(counter, count) {
  if (count <= 0) return;
  const labels = $$(`[data-moved="${counter}"]`);
  for (const label of labels) label.textContent = `+${number(count)}`;
  clearTimeout(fading[counter]);
  fading[counter] = setTimeout(() => labels.forEach((label) => label.replaceChildren()), SHOWN);
  if (calm.matches) return;
  const pulses = Math.min(MOST_PULSES, Math.ceil(Math.log10(count + 1)));
  for (const arrow of $$(`[data-pipe="${counter}"]`)) run(arrow, pulses);
}

function run(arrow, pulses) {
  for (let i = 0; i < pulses; i += 1) {
    const dot = svg("circle", { cx: 2, cy: 12, r: 3.5, opacity: 0 });
    arrow.append(dot);
    dot.animate(
      [{ transform: "translateX(0)", opacity: 1 }, { transform: "translateX(48px)", opacity: 1 }],
      { duration: 650, delay: i * 130, easing: "ease-in-out" },
    ).finished.finally(() => dot.remove());
  }
}

/** A read by pull has just been made: the line from the reader to the logs runs once. */
function drawPull() {
  const line = $("[data-counterflow] .pull-line");
  if (calm.matches) return;
  line.animate([{ strokeDashoffset: 0 }, { strokeDashoffset: -110 }], { duration: 900, easing: "linear" });
}
