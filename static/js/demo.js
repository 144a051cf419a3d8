// Posting, the story of the last post, and a follower's feed under each strategy.
// All text comes drawn by the server; this module only says which part to fetch.
import { $, $$, ask, calm, emit, html, on, part, wait } from "./dom.js";
import { number } from "./format.js";
import { soon } from "./poll.js";

const WATCH_MS = 120;
const WATCH_LIMIT_MS = 20000;

let posts = [];
let reader = null;

export function start() {
  posts = $$("[data-post]").map((story) => Number(story.dataset.post));
  reader = $("#reader")?.value ?? null;
  $$("[data-post]").forEach(({ dataset: { status, recipients, delivered, skipped } }, i) => {
    emit("fanout", { status, recipients: +recipients, delivered: +delivered, skipped: +skipped, second: i > 0 });
  });
  $$("[data-post]").filter(unfinished).forEach((story) => finishLater(Number(story.dataset.post)));
  $("[data-both]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const { author_id: author, text } = form.elements;
    guard(form, () => publish(Number(author.value), text.value, ["write", "read"], "#live"));
  });
  $("[data-composer]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    guard(form, () => publish(Number(data.get("author_id")), data.get("text"), [data.get("strategy")], "#story"));
  });
  $("#text")?.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
  });
  $("[data-reader]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    reader = $("#reader").value;
    guard(event.currentTarget, showFeeds);
  });
  $("#reader")?.addEventListener("change", () => $("[data-reader]").requestSubmit());
  document.addEventListener("click", copy);
  showCopyButtons();
  let loading = false;
  on("metrics", ({ dataset }) => {
    if (loading && dataset.status === "ready") location.reload();
    loading = dataset.status !== "ready";
  });
  on("back", () => ($("[data-composer]") ? showFeeds().catch(() => {}) : location.reload()));
}

const unfinished = (story) => ["queued", "running"].includes(story.dataset.status);

/** Runs one action of a form at a time; what goes wrong is said next to it. */
export async function guard(form, action) {
  if (form.getAttribute("aria-busy") === "true") return;
  form.setAttribute("aria-busy", "true");
  $(".notice", form)?.remove();
  try {
    await action();
  } catch (problem) {
    form.append(html("div", { class: "notice bad", role: "alert" },
      html("p", { class: "notice-title" }, problem.title ?? "That did not work"), html("p", {}, problem.message)));
  } finally {
    form.removeAttribute("aria-busy");
  }
}

async function publish(author, text, strategies, goTo) {
  const stories = $("[data-stories]");
  const fresh = [];
  for (const strategy of strategies) {
    const { post } = await ask("/api/posts", { method: "POST", body: { author_id: author, text, strategy } });
    if (!fresh.length) {
      posts = [];
      $(goTo).scrollIntoView({ behavior: calm.matches ? "auto" : "smooth", block: "start" });
      if (goTo === "#story") $(goTo).focus({ preventScroll: true });
    }
    posts.push(post.id);
    soon();
    if (posts.length === 1) await offerReaders(author);
    await untilDone(post.id);
    const box = html("div");
    await part(`/parts/stories?${query([post.id])}`, box);
    fresh.push(...box.children);
    stories.replaceChildren(...fresh);
    if (strategy === "read") emit("pull");
  }
  const told = fresh.map((story) => $(".tale", story).textContent).join(" ");
  $("[data-say]").textContent = told;
  history.replaceState(null, "", `/?${query(posts)}`);
  fresh.filter(unfinished).forEach((story) => finishLater(Number(story.dataset.post)));
  soon();
  await showFeeds();
}

/** Follows a fan-out to its end, or until the time is up (paused workers, a long backlog). */
async function untilDone(id, limit = WATCH_LIMIT_MS, pause = WATCH_MS) {
  const end = Date.now() + Math.min(limit, $("[data-rate='paused']") ? 400 : limit);
  for (;;) {
    const fanout = await ask(`/api/posts/${id}/fanout`);
    if (id === posts.at(-1)) emit("fanout", { ...fanout, second: posts.length > 1 });
    if (!["queued", "running"].includes(fanout.status)) return true;
    if (Date.now() > end) return false;
    await wait(pause);
  }
}

async function finishLater(id) {
  try {
    while (posts.includes(id) && !(await untilDone(id, 0))) await wait(1000);
    if (!posts.includes(id)) return;
    const box = html("div");
    await part(`/parts/stories?${query([id])}`, box);
    $(`[data-post="${id}"]`)?.replaceWith(...box.children);
    await showFeeds();
  } catch {
    // The store went away in between; the notice at the top says so.
  }
}

const query = (ids) => new URLSearchParams([...ids.map((id) => ["post", id]), ...(reader ? [["reader", reader]] : [])]);

async function offerReaders(author) {
  const select = $("#reader");
  if (!select) return;
  const found = await ask(`/parts/readers?author=${author}`);
  if (!found.length) return;
  if (!found.some((user) => String(user.id) === reader)) reader = String(found[0].id);
  select.replaceChildren(...found.map((user) => html("option", { value: user.id }, `${user.name}, follows ${number(user.following)}`)));
  select.value = reader;
}

async function showFeeds() {
  if (!reader) return;
  await part(`/parts/feeds?${query(posts)}`, $("[data-feeds]"));
  emit("pull");
  await part(`/parts/inspector?${query(posts.slice(-1))}`, $("[data-inspector]"));
  showCopyButtons();
}

function showCopyButtons() {
  if (navigator.clipboard) $$("[data-copy]").forEach((button) => { button.hidden = false; });
}

async function copy(event) {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.firstChild;
  await navigator.clipboard.writeText($("code", button.parentElement).textContent);
  label.textContent = "Copied";
  await wait(1500);
  label.textContent = "Copy";
}
