// The few helpers that every module needs.

/** Events between the modules: "metrics", "back", "fanout", "pull". */
export const bus = new EventTarget();
export const emit = (name, detail) => bus.dispatchEvent(new CustomEvent(name, { detail }));
export const on = (name, handler) => bus.addEventListener(name, (event) => handler(event.detail));

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element; children are elements or text. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** An HTML element; children are elements or text, never markup. */
export function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** What went wrong, in the words of the server's problem+json. */
export class Problem extends Error {
  constructor(title, detail, status) {
    super(detail);
    this.title = title;
    this.status = status;
  }
}

/** Fetches from our own server. Gives JSON or text; throws a Problem. */
export async function ask(path, { method = "GET", body, signal } = {}) {
  const init = { method, signal };
  if (body !== undefined) {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (error.name === "AbortError" && signal?.reason !== "timeout") throw error;
    throw new Problem("No answer", "The page's server does not answer. Run ./status.sh, then try again.", 0);
  }
  const isJson = /json/.test(answer.headers.get("Content-Type") ?? "");
  if (!answer.ok) {
    const told = isJson ? await answer.json() : {};
    throw new Problem(told.title ?? `Error ${answer.status}`, told.detail ?? "Run ./status.sh.", answer.status);
  }
  if (answer.status === 204) return null;
  return isJson ? answer.json() : answer.text();
}

/** Fetches a part of the page, drawn by the server with all text escaped, and puts it in. */
export async function part(path, target) {
  const parsed = new DOMParser().parseFromString(await ask(path), "text/html");
  target.replaceChildren(...parsed.body.childNodes);
  return target;
}

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const calm = matchMedia("(prefers-reduced-motion: reduce)");
