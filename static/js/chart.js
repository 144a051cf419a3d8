// Our own small charts: time series, bars, crossing lines and a gauge, as inline SVG.
import { $, html, on, svg } from "./dom.js";
import { clock, duration, number } from "./format.js";

const NAMES = { write: "Write fan-out", read: "Read fan-out", hybrid: "Hybrid" };
const STRATEGIES = Object.keys(NAMES);
const providers = new Map();

/** Rows for a chart's table and downloads: the first is the head. */
export function provide(id, rows) {
  providers.set(id, rows);
  const figure = document.getElementById(id);
  const details = $(".numbers", figure);
  if (details?.open) fillTable(details, rows());
  if (details && !details.dataset.ready) {
    details.dataset.ready = "yes";
    details.addEventListener("toggle", () => details.open && fillTable(details, providers.get(id)()));
  }
}

function fillTable(details, [, ...rows]) {
  $("tbody", details).replaceChildren(
    ...rows.map(([first, ...rest]) =>
      html("tr", {}, html("th", { scope: "row" }, first), ...rest.map((cell) => html("td", {}, cell)))),
  );
}

/** The JSON and CSV links give what the chart shows, not only the newest values. */
export function wireDownloads() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-download]");
    const id = link?.closest("figure")?.id;
    if (!providers.has(id)) return;
    const [head, ...rows] = providers.get(id)("raw");
    const kind = link.dataset.download;
    const body = kind === "json"
      ? JSON.stringify(rows.map((row) => Object.fromEntries(head.map((key, i) => [key, row[i]]))), null, 1)
      : [head, ...rows].map((row) => row.map((cell) => cell ?? "").join(",")).join("\n") + "\n";
    const address = URL.createObjectURL(new Blob([body], { type: kind === "json" ? "application/json" : "text/csv" }));
    link.href = address;
    link.download = `fanout-${id}.${kind}`;
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  });
}

function canvas(plot, height) {
  const width = Math.max(240, plot.clientWidth);
  plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
  return width;
}

const rule = (cls, x1, y1, x2, y2) => svg("line", { class: cls, x1, y1, x2, y2 });
const note = (x, y, text, cls = "", anchor = "start") => svg("text", { class: cls, x, y, "text-anchor": anchor }, text);

/** A round number not below `value`: 1, 2 or 5 times a power of ten. */
export function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

const tick = (ms) => (ms >= 1000 ? `${number(ms / 1000)} s` : ms >= 1 ? `${number(ms)} ms` : `${number(Math.round(ms * 1000))} µs`);
const word = (value, unit) => (unit === "ms" ? duration(value) : number(value));

const SPAN = 120000;
const LABEL = 160;

/** Lines over the last two minutes at most. points: [{t, v: {key: number|null}}]. */
export function series(plot, lines, points, unit) {
  const height = 150, top = 12, bottom = 24, left = 4;
  const width = canvas(plot, height);
  const now = points.at(-1).t;
  const span = Math.min(SPAN, Math.max(30000, now - points[0].t));
  const right = width - 70;
  const highest = Math.max(0, ...points.flatMap((p) => lines.map((line) => p.v[line.key] ?? 0)));
  const most = ceiling(highest);
  const x = (t) => right - ((now - t) / span) * (right - left);
  const y = (v) => height - bottom - (v / most) * (height - top - bottom);
  const parts = [0, 0.5, 1].map((share) => rule(share ? "grid" : "axis", left, y(most * share), right, y(most * share)));
  const labels = [];
  for (const line of lines) {
    let path = "", last = null;
    for (const point of points) {
      const value = point.v[line.key];
      if (value === null || value === undefined) { last = null; continue; }
      path += `${last && point.t - last < 8000 ? "L" : "M"}${x(point.t).toFixed(1)} ${y(value).toFixed(1)}`;
      last = point.t;
    }
    const value = points.at(-1).v[line.key];
    if (lines.length === 1 && path.includes("L") && path.lastIndexOf("M") === 0) {
      parts.push(svg("path", { class: "area", d: `${path}V${y(0)}H${x(points[0].t).toFixed(1)}Z` }));
    }
    parts.push(svg("path", { class: `line ${line.cls}`, d: path }));
    if (last !== null) {
      parts.push(svg("circle", { class: `dot ${line.cls}`, cx: right, cy: y(value), r: 4 }));
      labels.push({ y: y(value), text: word(value, unit) });
    }
  }
  labels.sort((a, b) => a.y - b.y).forEach((label, i) => {
    label.y = Math.max(label.y, i ? labels[i - 1].y + 14 : top);
    parts.push(note(right + 10, label.y + 4, label.text, "value"));
  });
  plot.replaceChildren(
    ...parts,
    ...[0.5, 1].map((share) => note(left, y(most * share) - 4, word(most * share, unit))),
    note(left, height - 6, `${Math.round(span / 1000)} s ago`),
    note(right, height - 6, "now", "", "end"),
  );
}

/** One row for each strategy: the bar ends at p50, a tick marks p95, the thin line ends at p99. */
export function bars(plot, cells) {
  const height = 132, left = 4;
  const width = canvas(plot, height);
  const right = width - 4;
  const most = ceiling(Math.max(0, ...STRATEGIES.map((key) => cells[key]?.p99_ms ?? 0)));
  const x = (ms) => left + (ms / most) * (right - left);
  const parts = [];
  STRATEGIES.forEach((key, i) => {
    const cell = cells[key] ?? {}, y = 4 + i * 42;
    const measured = cell.count > 0 && cell.p50_ms !== null;
    parts.push(
      note(left, y + 10, NAMES[key], "label"),
      note(right, y + 10, measured ? duration(cell.p50_ms) : "not measured yet", measured ? "value" : "", "end"),
      rule("grid", left, y + 24, right, y + 24),
    );
    if (!measured) return;
    parts.push(
      rule(`whisker ${key}`, left, y + 24, x(cell.p99_ms), y + 24),
      svg("rect", { class: `bar ${key}`, x: left, y: y + 18, width: Math.max(2, x(cell.p50_ms) - left), height: 12 }),
      rule(`tick ${key}`, x(cell.p95_ms), y + 18, x(cell.p95_ms), y + 30),
    );
  });
  plot.replaceChildren(...parts);
}

/** Costs against reads for each post, both axes logarithmic. costs: {strategy: reads => ms}. */
export function crossing(plot, costs, reads, cross, [low, high]) {
  const height = 280, top = 16, bottom = 40, left = 52;
  const width = canvas(plot, height);
  const right = width - 14;
  const steps = Array.from({ length: 61 }, (_, i) => 10 ** (low + ((high - low) * i) / 60));
  const all = STRATEGIES.flatMap((key) => steps.map(costs[key]));
  const bottomPower = Math.floor(Math.log10(Math.max(1e-4, Math.min(...all))));
  const topPower = Math.max(bottomPower + 1, Math.ceil(Math.log10(Math.max(...all))));
  const x = (r) => left + ((Math.log10(r) - low) / (high - low)) * (right - left);
  const y = (ms) => height - bottom - ((Math.log10(Math.max(ms, 1e-9)) - bottomPower) / (topPower - bottomPower)) * (height - top - bottom);
  const parts = [];
  for (let power = bottomPower; power <= topPower; power += topPower - bottomPower > 6 ? 2 : 1) {
    parts.push(
      rule(power === bottomPower ? "axis" : "grid", left, y(10 ** power), right, y(10 ** power)),
      note(left - 6, y(10 ** power) + 4, tick(10 ** power), "", "end"),
    );
  }
  for (let power = Math.ceil(low); power <= high; power += width < 420 ? 2 : 1) {
    parts.push(note(x(10 ** power), height - 22, number(10 ** power), "", power === high ? "end" : "middle"));
  }
  parts.push(note(right, height - 5, "feed reads for each post", "", "end"));
  parts.push(rule("marker", x(reads), top, x(reads), height - bottom));
  for (const key of STRATEGIES) {
    parts.push(svg("path", { class: `line ${key}`, d: steps.map((r, i) => `${i ? "L" : "M"}${x(r).toFixed(1)} ${y(costs[key](r)).toFixed(1)}`).join("") }));
  }
  if (cross) parts.push(svg("circle", { class: "dot", cx: x(cross), cy: y(costs.write(cross)), r: 5 }));
  const ends = STRATEGIES.map((key) => ({ key, y: y(costs[key](reads)) })).sort((a, b) => a.y - b.y);
  ends.forEach((end, i) => {
    parts.push(svg("circle", { class: `dot ${end.key}`, cx: x(reads), cy: end.y, r: 4.5 }));
    if (right - left < 3 * LABEL) return; // no space: the text above the chart says it
    const at = Math.max(end.y, i ? ends[i - 1].at + 16 : top);
    end.at = at;
    // The lines rise: above them there is space to the left, below them to the right.
    const onLeft = i ? x(reads) > right - LABEL : x(reads) > left + LABEL;
    parts.push(
      note(x(reads) + (onLeft ? -10 : 10), at + (i ? 14 : -6), `${NAMES[end.key]} ${duration(costs[end.key](reads))}`, "value", onLeft ? "end" : "start"),
    );
  });
  plot.replaceChildren(...parts);
}

/** The backlog against its three marks; the scale ends a little past the limit. */
export function gauge(plot, { fullest_shard: value, low, high, limit }) {
  const height = 64, width = canvas(plot, height), left = 1, right = width - 1;
  // Square roots, or the low mark would touch the edge.
  const x = (v) => left + Math.sqrt(Math.min(1, v / (limit * 1.1))) * (right - left);
  const parts = [
    svg("rect", { class: "gauge-tank", x: left, y: 24, width: right - left, height: 22, rx: 2 }),
    svg("rect", { class: "gauge-fill", x: left, y: 24, width: Math.max(0, x(value) - left), height: 22, rx: 2 }),
  ];
  for (const [name, at] of [["low", low], ["high", high], ["limit", limit]]) {
    parts.push(
      rule("axis", x(at), 18, x(at), 52),
      note(x(at), 13, name, "label", name === "limit" ? "end" : "middle"),
    );
  }
  plot.replaceChildren(...parts);
}

/** Draws again what `draw` draws whenever the width of `plot` has changed. */
export function onResize(plot, draw) {
  let width = 0;
  new ResizeObserver(() => {
    if (Math.abs(plot.clientWidth - width) < 2) return;
    width = plot.clientWidth;
    draw();
  }).observe(plot);
}

/** Wires all bars and series of the page to the polled metrics. */
export function wireCharts(lookUp) {
  for (const figure of document.querySelectorAll("[data-bars]")) {
    const plot = $(".plot", figure), field = figure.dataset.bars;
    let cells = null;
    const draw = () => cells && bars(plot, cells);
    onResize(plot, draw);
    on("metrics", (metrics) => {
      cells = metrics.processing[field];
      draw();
      provide(figure.id, (raw) => [
        ["strategy", "p50_ms", "p95_ms", "p99_ms", "count"],
        ...STRATEGIES.map((key) => {
          const c = cells[key];
          return raw
            ? [key, c.p50_ms, c.p95_ms, c.p99_ms, c.count]
            : [NAMES[key], duration(c.p50_ms), duration(c.p95_ms), duration(c.p99_ms), number(c.count)];
        }),
      ]);
    });
  }
  for (const figure of document.querySelectorAll("[data-series]")) {
    const plot = $(".plot", figure), lines = JSON.parse(figure.dataset.lines), unit = figure.dataset.unit;
    const points = [];
    const draw = () => points.length && series(plot, lines, points, unit);
    onResize(plot, draw);
    on("metrics", (metrics) => {
      points.push({ t: metrics.time_ms, v: Object.fromEntries(lines.map((line) => [line.key, lookUp(metrics, line.key)])) });
      while (points.at(-1).t - points[0].t > SPAN) points.shift();
      draw();
      provide(figure.id, (raw) => [
        ["time", ...lines.map((line) => line.label)],
        ...points.toReversed().map((p) => [
          raw ? new Date(p.t).toISOString() : clock(p.t),
          ...lines.map((line) => (raw ? p.v[line.key] : word(p.v[line.key], unit))),
        ]),
      ]);
    });
  }
}
