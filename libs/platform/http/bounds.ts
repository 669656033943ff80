import { isUtf8 } from 'node:buffer';
import { AppError, invalid } from '../errors.js';

/**
 * Bounds of what a stranger sends (docs/adr/0017). They are looked at in the bytes, before anything is made of them: JSON.parse of half a
 * million brackets costs as much as a thousand honest requests, and what transforms and validates is quadratic in keys.
 */
export interface Bounds {
  depth: number;
  /** Keys of one object. */
  keys: number;
  /** Objects, lists and what is in them, all together. */
  values: number;
}

/** A body of the API. The largest honest ones: a list of 10,000 ids beside other fields, a profile's configuration of 64 KB. */
export const BODY_BOUNDS: Bounds = { depth: 100, keys: 1000, values: 11_000 };
/** A message of an agent: a blueprint of 256 KB as JSON. Its data is picked by name and never transformed. */
export const FRAME_BOUNDS: Bounds = { depth: 100, keys: 5000, values: 50_000 };
/** Parameters of a query; no operation takes more than twenty. */
const MAX_PARAMETERS = 100;

const [QUOTE, BACKSLASH, COMMA, COLON, OPEN_LIST, CLOSE_LIST, OPEN_MAP, CLOSE_MAP] = [
  0x22, 0x5c, 0x2c, 0x3a, 0x5b, 0x5d, 0x7b, 0x7d,
];

/** What a scan looked at before it ended, and why it ended early. */
export interface Scan {
  values: number;
  keys: number;
  problem?: { path: string; problem: string };
}

/**
 * Counts what is in a JSON text without parsing it, and stops at the first bound. Text that is no JSON is counted somehow: the parser
 * refuses it afterwards. A problem names the field at the top of the document in which it is.
 */
export function scanJson(bytes: Uint8Array, bounds: Bounds): Scan {
  const scan: Scan = { values: 1, keys: 0 };
  const keysAt = new Uint32Array(bounds.depth + 2);
  let depth = 0;
  let topKey = -1;
  const stop = (problem: string): Scan => ({
    ...scan,
    problem: { path: depth > 1 ? fieldAt(bytes, topKey) : 'body', problem },
  });
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        if (depth === 1) topKey = at;
        for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
        break;
      case OPEN_LIST:
      case OPEN_MAP:
        if (++depth > bounds.depth) return stop(`is nested more than ${bounds.depth} levels deep`);
        keysAt[depth] = 0;
        if (++scan.values > bounds.values) return stop(`has more than ${bounds.values} values`);
        break;
      case CLOSE_LIST:
      case CLOSE_MAP:
        if (depth > 0) depth--;
        break;
      case COMMA:
        if (++scan.values > bounds.values) return stop(`has more than ${bounds.values} values`);
        break;
      case COLON:
        scan.keys++;
        if (++keysAt[depth]! > bounds.keys) return stop(`has more than ${bounds.keys} keys`);
        break;
      default:
    }
  }
  return scan;
}

/** The key that begins at this quote. */
function fieldAt(bytes: Uint8Array, quote: number): string {
  if (quote < 0) return 'body';
  let end = quote + 1;
  while (end < bytes.length && bytes[end] !== QUOTE) end += bytes[end] === BACKSLASH ? 2 : 1;
  return Buffer.from(bytes.subarray(quote + 1, end)).toString() || 'body';
}

/** @returns the text of a JSON document within bounds. @throws validation, naming the field where there is one */
export function boundedText(bytes: Buffer, bounds: Bounds): string {
  if (!isUtf8(bytes)) throw new AppError('validation', 'Validation error: the body is not UTF-8');
  const { problem } = scanJson(bytes, bounds);
  if (problem) throw invalid(problem.path, problem.problem);
  return bytes.toString();
}

/** Whether escapes of a URL are UTF-8, and its parameters few. @throws validation */
export function checkUrl(url: string): void {
  if (url.includes('%')) {
    try {
      decodeURIComponent(url);
    } catch {
      throw new AppError('validation', 'Validation error: the URL has a percent escape that is not UTF-8');
    }
  }
  let parameters = 0;
  for (let at = url.indexOf('?'); at >= 0; at = url.indexOf('&', at + 1)) {
    if (++parameters > MAX_PARAMETERS) throw invalid('query', `has more than ${MAX_PARAMETERS} parameters`);
  }
}

/** NUL, which PostgreSQL's text has not, and half of a surrogate pair, which is no text. In JSON only an escape can spell them. */
const SPELLED = /\\u(?:d[89a-f]|0000)/i;
const UNSTORABLE = /\u0000|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** Whether JSON holds text that PostgreSQL's text and jsonb cannot. */
export const isUnstorable = (json: string, value: unknown): boolean => unstorableIn(json, value) !== undefined;

/** Characters that cannot be stored, which only an escape in `text` can have brought into `value`. @returns the 400 that names the place */
export function unstorableIn(text: string, value: unknown): AppError | undefined {
  return SPELLED.test(text) ? find(value, '') : undefined;
}

function find(value: unknown, path: string): AppError | undefined {
  if (typeof value === 'string') return UNSTORABLE.test(value) ? unstorable(path) : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    if (UNSTORABLE.test(key)) return unstorable(path);
    const found = find(inner, path ? `${path}.${key}` : key);
    if (found) return found;
  }
  return undefined;
}

const unstorable = (path: string) => invalid(path, 'holds a character that cannot be stored');
