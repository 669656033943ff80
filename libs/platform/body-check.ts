import { AppError, invalid } from './errors.js';

/** Deeper than any document that makes sense; far from where recursion in a library ends. */
const MAX_DEPTH = 100;
/** NUL, which PostgreSQL's text has not, and half of a surrogate pair, which is no text. In JSON only an escape can spell them. */
const SPELLED = /\\u(?:d[89a-f]|0000)/i;
// eslint-disable-next-line no-control-regex
const UNSTORABLE = /\u0000|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

export const unstorable = (path: string) => invalid(path, 'holds a character that cannot be stored');

/** What no handler has to fear in a parsed body any more. @returns the 400 that names the place, or undefined. */
export function checkBody(text: string, value: unknown): AppError | undefined {
  return problem(value, SPELLED.test(text), '', MAX_DEPTH);
}

function problem(value: unknown, spelled: boolean, path: string, depth: number): AppError | undefined {
  if (typeof value === 'string') return spelled && UNSTORABLE.test(value) ? unstorable(path) : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth === 0) return invalid(path.split('.', 2).join('.'), `is nested more than ${MAX_DEPTH} levels deep`);
  for (const [key, inner] of Object.entries(value)) {
    if (spelled && UNSTORABLE.test(key)) return unstorable(path);
    const found = problem(inner, spelled, path ? `${path}.${key}` : key, depth - 1);
    if (found) return found;
  }
  return undefined;
}
