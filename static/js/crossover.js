// When does each strategy win? Three controls, and lines drawn from costs measured here:
//   a delivery       mean of all that the workers made; else from the quickest fan-out seen here
//   a timeline read  median of reads by write fan-out
//   a merge          least squares over reads by read fan-out: fixed part + part for each author
//   a kept log       merging a pulled author's log at hand, mean of all such reads
// write  = followers * delivery + reads * timeline
// read   = reads * (fixed + following * each)
// hybrid = what its rule picks for the author: as write, or reads * (timeline + kept log)
import { $, $$, ask, html, on } from "./dom.js";
import { crossing, onResize, provide } from "./chart.js";
import { clock, duration, number } from "./format.js";
import { guard } from "./demo.js";

const TIMES = 3;
const RANGE = [-1, 5];
// Mean followers 75; 300 000 reads and 6 000 writes a second. See How it works.
const TWITTER = { followers: 75, following: 75, reads: 50 };
const SMALLEST_FANOUT = 100;

let costs = null;
let delivery = null;
let system = null;

export function start() {
  const box = $("[data-crossover]");
  const plot = $("#crossing .plot");
  const values = () => Object.fromEntries($$("[data-in]", box).map((input) => [input.dataset.in, Number(input.dataset.exact) || tidy(10 ** Number(input.value), input.dataset.in)]));
  const draw = () => {
    const v = values();
    for (const [key, value] of Object.entries(v)) {
      $(`[data-out="${key}"]`, box).textContent = number(value);
      $(`[data-in="${key}"]`, box).setAttribute("aria-valuetext", number(value));
    }
    if (costs && delivery) show(plot, v, box.dataset);
  };
  box.addEventListener("input", ({ target }) => {
    delete target.dataset.exact; // a control has coarse steps; a given value is kept until it moves
    draw();
  });
  onResize(plot, draw);
  $("[data-twitter]", box).addEventListener("click", () => {
    for (const [key, value] of Object.entries(TWITTER)) {
      const input = $(`[data-in="${key}"]`, box);
      input.value = Math.log10(value);
      input.dataset.exact = value;
    }
    draw();
  });
  const measureNow = () => guard($(".measured", box), async () => {
    costs = await measure();
    tell();
    draw();
  });
  $("[data-measure]", box).addEventListener("click", measureNow);
  on("metrics", ({ hybrid }) => {
    const was = system;
    system = hybrid;
    if (hybrid.delivery_us) delivery = { each: hybrid.delivery_us / 1000 };
    if (was?.measured === hybrid.measured) return; // the rest moves too little to redraw each second
    tell();
    draw();
  });
  on("fanout", (fanout) => {
    if (system?.delivery_us || fanout.status !== "done" || !(fanout.recipients >= SMALLEST_FANOUT) || !fanout.lag_ms) return;
    const each = fanout.lag_ms / fanout.recipients;
    // Waiting in a queue is no cost of a delivery: the quickest fan-out seen comes nearest to it.
    if (!delivery || each < delivery.each) delivery = { each, followers: fanout.recipients, lag: fanout.lag_ms };
    tell();
    draw();
  });
  draw();
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting) || !$("[name=author_id]")) return;
    observer.disconnect();
    measureNow();
  }, { rootMargin: "400px" }).observe(box);
}

const tidy = (value, key) => (key === "reads" && value < 10 ? Math.round(value * 10) / 10 : Math.round(value));

/** Reads the feeds of a dozen users a few times by each strategy and keeps the quickest of each:
    whatever else the machine is busy with only makes a read slower. */
async function measure() {
  const users = await ask(`/parts/readers?author=${$("[name=author_id]").value}`);
  const merges = [], timelines = [];
  for (const user of users) {
    for (const [strategy, into] of [["write", timelines], ["read", merges]]) {
      let ms = Infinity;
      for (let i = 0; i < TIMES; i += 1) {
        const feed = await ask(`/api/feed/${user.id}?strategy=${strategy}&limit=20`);
        ms = Math.min(ms, feed.timing_ms.total);
      }
      into.push({ following: user.following, ms });
    }
  }
  const reads = 2 * TIMES * users.length;
  return { timeline: median(timelines.map((read) => read.ms)), ...fit(merges), users: users.length, reads, at: Date.now() };
}

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/** Least squares, neither part below nothing. */
function fit(reads) {
  const n = reads.length;
  const mx = reads.reduce((sum, r) => sum + r.following, 0) / n;
  const my = reads.reduce((sum, r) => sum + r.ms, 0) / n;
  const sxx = reads.reduce((sum, r) => sum + (r.following - mx) ** 2, 0);
  const sxy = reads.reduce((sum, r) => sum + (r.following - mx) * (r.ms - my), 0);
  const each = Math.max(0, sxx ? sxy / sxx : 0);
  return { each, fixed: Math.max(0, my - each * mx) };
}

function tell() {
  const source = $("[data-cost-source]"), list = $("[data-costs]");
  const rows = [];
  if (delivery) rows.push(["a delivery", duration(delivery.each)]);
  if (costs) rows.push(["a read of a timeline", duration(costs.timeline)], ["a merge", duration(costs.fixed)], ["and for each log in it", duration(costs.each)]);
  if (system?.log_merge_us) rows.push(["a log kept at hand", duration(system.log_merge_us / 1000)]);
  list.replaceChildren(...rows.map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, value))));
  const parts = [];
  if (costs) parts.push(`Measured here at ${clock(costs.at)}: ${number(costs.reads)} reads by ${number(costs.users)} users, the quickest of ${TIMES} counts.`);
  if (system?.delivery_us) parts.push("A delivery: the mean of all that the workers have made.");
  else parts.push(delivery
    ? `A delivery: the quickest fan-out on this page, ${number(delivery.followers)} followers in ${duration(delivery.lag)}.`
    : "The cost of a delivery is still missing: post once by write fan-out, the button at the top does it.");
  parts.push("Times are taken in the server, the way to the store included.");
  source.textContent = parts.join(" ");
}

function show(plot, { followers, following, reads }, { threshold, large }) {
  const merge = costs.fixed + costs.each * following;
  const kept = system?.log_merge_us ? system.log_merge_us / 1000 : costs.each;
  const push = (r) => followers * delivery.each + r * costs.timeline;
  const pull = (r) => r * (costs.timeline + kept);
  const byCost = system?.measured && system.rule === "cost";
  const lines = {
    write: push,
    read: (r) => r * merge,
    hybrid: (r) => (followers < (byCost ? large : threshold) ? push(r) : byCost ? Math.min(push(r), pull(r)) : pull(r)),
  };
  const cross = merge > costs.timeline ? (followers * delivery.each) / (merge - costs.timeline) : null;
  const seen = cross && Math.log10(cross) >= RANGE[0] && Math.log10(cross) <= RANGE[1] ? cross : null;
  crossing(plot, lines, reads, seen, RANGE);
  $("[data-crossing-words]").textContent = words({ followers, following, reads }, lines, cross);
  provide("crossing", (raw) => [
    ["reads_per_post", "write_ms", "read_ms", "hybrid_ms"],
    ...[0.1, 1, 10, 50, 100, 1000, 10000, 100000].map((r) => [raw ? r : number(r), ...Object.values(lines).map((line) => (raw ? line(r) : duration(line(r))))]),
  ]);
}

function words({ followers, reads }, lines, cross) {
  const [write, read] = [lines.write(reads), lines.read(reads)];
  const now = `At ${number(reads)} reads for each post, write fan-out takes ${duration(write)} and read fan-out ${duration(read)}.`;
  if (cross === null) return `${now} A merge of so few logs costs no more than a timeline: read fan-out wins at any rate.`;
  const rule = `With ${number(followers)} followers, write fan-out is cheaper from ${number(cross < 10 ? Math.round(cross * 10) / 10 : Math.round(cross))} reads on.`;
  return `${rule} ${now}`;
}
