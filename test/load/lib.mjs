// Shared helpers: templates, statistics, process accounting.

import { randomBytes, randomUUID } from 'node:crypto';
import fs from 'node:fs';

export const readJsonl = (file) =>
  fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((l) => JSON.parse(l));

/**
 * Compiles "text {{n}} {{uuid}} {{nonce}} {{rand}} {{field}}" into (n, row) => string.
 * n = request counter, field = property of the current data row.
 */
export function template(text) {
  const parts = text.split(/\{\{(\w+)\}\}/);
  if (parts.length === 1) return () => text;
  return (n, row) => {
    let s = '';
    for (let i = 0; i < parts.length; i++) {
      if (i % 2 === 0) s += parts[i];
      else if (parts[i] === 'n') s += n;
      else if (parts[i] === 'uuid') s += randomUUID();
      else if (parts[i] === 'nonce') s += randomBytes(32).toString('base64url');
      else if (parts[i] === 'rand') s += randomBytes(6).toString('hex');
      else s += row?.[parts[i]] ?? '';
    }
    return s;
  };
}

export function quantiles(samples) {
  const a = Float64Array.from(samples).sort();
  const q = (p) => (a.length ? a[Math.min(a.length - 1, Math.ceil(p * a.length) - 1)] : NaN);
  return { p50: q(0.5), p95: q(0.95), p99: q(0.99), max: a.length ? a[a.length - 1] : NaN };
}

/** NaN of nothing. @param {number[]} xs */
export const median = (xs) => {
  const a = [...xs].sort((x, y) => x - y);
  const [low = NaN, high = NaN] = [a[(a.length - 1) >> 1], a[a.length >> 1]];
  return (low + high) / 2;
};

/** Element n of a list whose elements take turns. @template T @param {T[]} list @param {number} n @returns {T} */
export function inTurn(list, n) {
  if (list.length === 0) throw new Error('nobody is there whose turn it could be');
  return /** @type {T} */ (list[n % list.length]);
}

export const round = (x, d = 1) => (Number.isFinite(x) ? Number(x.toFixed(d)) : x);
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

/** CPU seconds used by pid and all its present or reaped descendants. */
export function cpuSeconds(pid) {
  const kids = new Map();
  const stat = new Map();
  for (const d of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(d)) continue;
    try {
      const s = fs.readFileSync(`/proc/${d}/stat`, 'utf8');
      const f = s.slice(s.lastIndexOf(')') + 2).split(' ');
      stat.set(+d, f);
      const ppid = Number(f[1]);
      kids.set(ppid, (kids.get(ppid) ?? []).concat(+d));
    } catch {}
  }
  let ticks = 0;
  const walk = (p) => {
    const f = stat.get(p);
    if (f) ticks += +f[11] + +f[12] + +f[13] + +f[14];
    for (const k of kids.get(p) ?? []) walk(k);
  };
  walk(+pid);
  return ticks / 100;
}

/** Resident set size in KiB. */
export function rssKiB(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
