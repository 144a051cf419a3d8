// Numbers and times in words, the same way app/web/pages/formatting.py writes them.

export const NOTHING = "\u2013";
const THIN = "\u202f";

export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return NOTHING;
  if (!Number.isInteger(value) && Math.abs(value) < 10) return value.toFixed(1);
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, THIN);
}

export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return NOTHING;
  if (ms < 0.1) return `${(ms * 1000).toFixed(ms < 0.01 ? 1 : 0)}${THIN}µs`;
  if (ms < 1) return `${ms.toFixed(2)}${THIN}ms`;
  if (ms < 10) return `${ms.toFixed(1)}${THIN}ms`;
  return ms < 10000 ? `${number(Math.round(ms))}${THIN}ms` : `${number(Math.round(ms / 1000))}${THIN}s`;
}

export function size(bytes) {
  return bytes === null || bytes === undefined ? NOTHING : `${(bytes / 1e6).toFixed(1)}${THIN}MB`;
}

export const text = (value) => (value === null || value === undefined ? NOTHING : String(value));

export const formats = { number, duration, size, text };

/** The value at a dotted path, or undefined. */
export const pick = (object, path) => path.split(".").reduce((node, key) => node?.[key], object);

export const clock = (ms) => new Date(ms).toTimeString().slice(0, 8);
