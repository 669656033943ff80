/** A host as a request names it, in one spelling. */
export interface Host {
  /** Lower case, without a dot at the end; an IPv6 address without its brackets. */
  name: string;
  port: number | undefined;
}

const MAX_NAME = 253;

/** Of names and IPv4 addresses; what is upper case is 2. */
const NAME = Uint8Array.from({ length: 128 }, (_, code) => {
  const text = String.fromCharCode(code);
  return /[A-Z]/.test(text) ? 2 : /[a-z0-9\-._]/.test(text) ? 1 : 0;
});

/**
 * Reads `host`, `host:port` or `[address]:port`, as a Host field has it.
 * @returns undefined for anything else: user names, spaces, lists, characters beyond ASCII, empty labels
 */
export function parseHost(text: string): Host | undefined {
  if (text.charCodeAt(0) === 91) return parseAddress(text);
  let upper = false;
  let label = 0;
  let i = 0;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 58) break;
    const kind = NAME[code];
    if (!kind || (code === 46 && label === 0)) return undefined;
    upper ||= kind === 2;
    label = code === 46 ? 0 : label + 1;
    if (label > 63) return undefined;
  }
  const end = label === 0 ? i - 1 : i;
  if (end < 1 || end > MAX_NAME) return undefined;
  const port = i === text.length ? undefined : parsePort(text, i + 1);
  if (port === null) return undefined;
  const name = text.slice(0, end);
  return { name: upper ? name.toLowerCase() : name, port };
}

function parseAddress(text: string): Host | undefined {
  const end = text.indexOf(']');
  if (end < 3 || end > 46) return undefined;
  for (let i = 1; i < end; i++) {
    const code = text.charCodeAt(i);
    const isDigit = code >= 48 && code <= 58;
    const letter = code | 32;
    if (!isDigit && code !== 46 && (letter < 97 || letter > 102)) return undefined;
  }
  const port = end + 1 === text.length ? undefined : text[end + 1] === ':' ? parsePort(text, end + 2) : null;
  return port === null ? undefined : { name: text.slice(1, end).toLowerCase(), port };
}

/** @returns null for what is none. Nothing behind the colon is the port of the scheme (RFC 3986 §3.2.3). */
function parsePort(text: string, from: number): number | undefined | null {
  if (from === text.length) return undefined;
  if (text.length - from > 5) return null;
  let port = 0;
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return null;
    port = port * 10 + digit;
  }
  return port > 0 && port < 65_536 ? port : null;
}

/**
 * Which host is whose: names, and `*.names`, in which `*` stands for one label (docs/integration-api.md §3.5). A name comes before
 * what covers it.
 */
export class HostTable<T> {
  private readonly exact = new Map<string, T>();
  /** By what stands behind `*.`. */
  private readonly wildcards = new Map<string, T>();

  get size(): number {
    return this.exact.size + this.wildcards.size;
  }

  /** @param domain as resources have it: lower case, `*` as a whole first label or not at all */
  set(domain: string, value: T): void {
    if (domain.startsWith('*.')) this.wildcards.set(domain.slice(2), value);
    else this.exact.set(domain, value);
  }

  /** Takes a name from whose it is, and from nobody who has it by now. */
  delete(domain: string, value: T): void {
    const isWildcard = domain.startsWith('*.');
    const names = isWildcard ? this.wildcards : this.exact;
    const name = isWildcard ? domain.slice(2) : domain;
    if (names.get(name) === value) names.delete(name);
  }

  /** @param name of a parsed host */
  find(name: string): T | undefined {
    const found = this.exact.get(name);
    if (found !== undefined || this.wildcards.size === 0) return found;
    const dot = name.indexOf('.');
    return dot < 1 ? undefined : this.wildcards.get(name.slice(dot + 1));
  }
}
