/** A path in the one spelling in which it is judged and forwarded. */
export interface RequestPath {
  /** Begins with `/`; dot segments are gone, what needs no `%` has none, and what needs one has it in upper case. */
  path: string;
  /** With its `?`, as it was sent; nothing where there is none. */
  query: string;
  /**
   * Targets read this path in different ways: it holds an encoded slash, a backslash, a dot segment with parameters or an overlong dot.
   * 400 where rules or paths of targets decide.
   */
  ambiguous: boolean;
}

const PERCENT = 37;
const SLASH = 47;
const DOT = 46;
const SEMICOLON = 59;
const QUESTION = 63;

/** 0: is encoded; 1: stays, decoded or encoded; 2: is decoded wherever it stands (RFC 3986 §2.3). */
const KIND = Uint8Array.from({ length: 256 }, (_, code) => {
  const text = String.fromCharCode(code);
  return /[A-Za-z0-9\-._~]/.test(text) ? 2 : /[!$&'()*+,;=:@/]/.test(text) ? 1 : 0;
});
const ENCODED = Array.from({ length: 256 }, (_, code) => `%${code.toString(16).toUpperCase().padStart(2, '0')}`);

/**
 * @param target of a checked request: begins with `/`, and has no space, control character or `#`
 * @returns undefined where it cannot be read at all: NUL, or a `%` that encodes nothing, which could hide another
 */
export function parsePath(target: string): RequestPath | undefined {
  let end = target.indexOf('?');
  if (end < 0) end = target.length;
  const query = end === target.length ? '' : target.slice(end);
  if (isPlain(target, end)) return { path: query === '' ? target : target.slice(0, end), query, ambiguous: false };

  let path = '';
  let ambiguous = false;
  for (let i = 0; i < end; i++) {
    let code = target.charCodeAt(i);
    if (code > 255) return undefined;
    const encoded = code === PERCENT;
    if (encoded) {
      code = i + 2 < end ? hexDigit(target.charCodeAt(i + 1)) * 16 + hexDigit(target.charCodeAt(i + 2)) : -1;
      if (code <= 0) return undefined;
      i += 2;
      ambiguous ||= code === SLASH || code === 0xc0 || code === 0xc1;
    }
    ambiguous ||= code === 92;
    const kind = KIND[code]!;
    path += kind === 2 || (kind === 1 && !encoded) ? String.fromCharCode(code) : ENCODED[code]!;
  }
  const clean = path.includes('/.') ? withoutDotSegments(path) : path;
  return { path: clean, query, ambiguous: ambiguous || hasDotParameters(clean) };
}

/** Whether this is in its one spelling already, as most are. */
function isPlain(target: string, end: number): boolean {
  let before = 0;
  for (let i = 0; i < end; i++) {
    const code = target.charCodeAt(i);
    if (!KIND[code] || code === SEMICOLON || (code === DOT && before === SLASH)) return false;
    before = code;
  }
  return true;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1000;
}

/** RFC 3986 §5.2.4. What would lead above the root leads to it. */
function withoutDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/');
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i]!;
    const last = i === segments.length - 1;
    if (segment === '..') kept.pop();
    if (segment !== '..' && segment !== '.') kept.push(segment);
    else if (last) kept.push('');
  }
  return `/${kept.join('/')}`;
}

/** `/..;/` is a dot segment to servers that take parameters off before they read a path. */
function hasDotParameters(path: string): boolean {
  for (let i = path.indexOf('/.'); i >= 0; i = path.indexOf('/.', i + 1)) {
    const next = path.charCodeAt(i + 2);
    if (next === SEMICOLON || (next === DOT && path.charCodeAt(i + 3) === SEMICOLON)) return true;
  }
  return false;
}

/** The path with slashes that follow each other as one. */
export function mergeSlashes(path: string): string {
  return path.includes('//') ? path.replace(/\/{2,}/g, '/') : path;
}

/**
 * How a target may read a path that reads loosely: without parameters of segments, with every character decoded that is none of `/` and
 * NUL, in any case. @returns at least one, in lower case
 */
export function looseReadings(path: string): string[] {
  const merged = mergeSlashes(path);
  const readings = [loose(path)];
  if (merged !== path) readings.push(loose(merged));
  if (path.includes(';')) readings.push(loose(mergeSlashes(withoutParameters(path))));
  return readings;
}

/** As `looseReadings` reads, for what is compared with them. */
export function loose(path: string): string {
  let text = path;
  if (path.includes('%'))
    text = path.replace(/%([0-9A-Fa-f]{2})/g, (as: string, hex: string) => {
      const code = Number.parseInt(hex, 16);
      return code <= 32 || code === SLASH || code >= 127 ? as : String.fromCharCode(code);
    });
  return text.toLowerCase();
}

const withoutParameters = (path: string) =>
  path
    .split('/')
    .map((segment) => (segment.includes(';') ? segment.slice(0, segment.indexOf(';')) : segment))
    .join('/');

/**
 * The query without the parameters of a name, however that is spelt.
 * @param query with its `?`, or nothing
 */
export function withoutParameter(query: string, name: string): string {
  if (query.charCodeAt(0) !== QUESTION) return query;
  const kept = query
    .slice(1)
    .split('&')
    .filter((pair) => nameOf(pair) !== name);
  return kept.length === 0 ? '' : `?${kept.join('&')}`;
}

function nameOf(pair: string): string {
  const end = pair.indexOf('=');
  const name = end < 0 ? pair : pair.slice(0, end);
  if (!name.includes('%') && !name.includes('+')) return name;
  return name
    .replaceAll('+', ' ')
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
