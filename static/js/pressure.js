// The overload part: rate limit, bursts, gauge, stages.
import { $, $$, ask, on, part } from "./dom.js";
import { gauge, onResize } from "./chart.js";
import { guard } from "./demo.js";
import { number } from "./format.js";
import { soon } from "./poll.js";

const AT_ONCE = 4;

export function start() {
  const corner = $("[data-pressure]");
  const plot = $("[data-gauge]");
  let state = null;
  onResize(plot, () => state && gauge(plot, state));
  let dead = $$("[data-dead] tbody tr").length;
  on("metrics", ({ backpressure, workers, queue }) => {
    if (queue.dead !== dead) part("/parts/dead", $("[data-dead]")).catch(() => {});
    dead = queue.dead;
    state = backpressure;
    gauge(plot, state);
    corner.dataset.stage = state.stage;
    corner.dataset.rate = workers.paused ? "paused" : "";
    for (const step of $$("[data-stage-step]")) {
      if (step.dataset.stageStep === state.stage) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    }
    $("[data-workers-now]").textContent = tellWorkers(workers);
  });
  $("[data-workers]").addEventListener("submit", (event) => {
    event.preventDefault();
    guard(event.currentTarget, async () => {
      const chosen = $("#rate").value;
      const rate = ["paused", "full"].includes(chosen) ? null : Number(chosen);
      await ask("/api/workers", { method: "PUT", body: { paused: chosen === "paused", deliveries_per_second: rate } });
      soon();
    });
  });
  $("[data-burst]").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    guard(form, () => burst(Number(form.elements.author_id.value), Number($("#burst").value)));
  });
}

function tellWorkers({ count, paused, deliveries_per_second: rate }) {
  if (paused) return "paused";
  return `${number(count)} running${rate ? `, at most ${number(rate)} deliveries/s` : ""}`;
}

/** Posts one after the other on a few lines at once, and counts what became of them. */
async function burst(author, count) {
  const result = $("[data-burst-result]");
  const seen = { pushed: 0, deferred: 0, refused: 0 };
  let next = 0, lost = null;
  const line = async () => {
    while (next < count && !lost) {
      next += 1;
      const body = { author_id: author, text: `Burst, ${next} of ${count}.`, strategy: "write" };
      try {
        const { fanout } = await ask("/api/posts", { method: "POST", body });
        seen[fanout.status === "pull" ? "deferred" : "pushed"] += 1;
      } catch (problem) {
        if (problem.status !== 503) lost = problem;
        seen.refused += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, line));
  if (lost) throw lost;
  result.textContent = `${number(seen.pushed)} posts queued for pushing, ${number(seen.deferred)} deferred, readable by pull, `
    + `${number(seen.refused)} refused with 503. ${await readNow()}`;
  soon();
}

/** What a follower gets right now. */
async function readNow() {
  const { identical, strategies } = await ask(`/api/compare/${$("#reader").value}?limit=20`);
  if (identical) return "Read at once, all three strategies give a follower the same posts.";
  const pushed = new Set(strategies.write.items.map((post) => post.id));
  const late = strategies.read.items.filter((post) => !pushed.has(post.id)).length;
  if (!late) return "Read at once, the strategies differ; read the feed above to see how.";
  return `Read at once, the pushed feed lacks ${number(late)} of the 20 newest posts; read fan-out has them.`;
}
