import { RE2JS } from 're2js';
import { isAddress, isIPv4 } from '#document';

export { isAddress };

/** The forms of single values (docs/blueprints.md "The document"). */

const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const TARGET_LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
const PATTERN_LABEL = /^[A-Za-z0-9*?](?:[A-Za-z0-9*?-]{0,61}[A-Za-z0-9*?])?$/;
const GLOB_SEGMENT = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=#@:]|%[0-9A-Fa-f]{2})+$/;

export function isCidr(text: string): boolean {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  return match !== null && isAddress(match[1] ?? '') && Number(match[2]) <= (isIPv4(match[1] ?? '') ? 32 : 128);
}

export function isHostName(text: string): boolean {
  return text.length <= 253 && text.split('.').every((label) => LABEL.test(label));
}

/** What looks like an address and is none is no name either. */
const looksLikeAddress = (text: string) => /^[\d.]+$/.test(text);

/** An address, or a name as it may stand in a compose file. */
export function isTargetHost(text: string): boolean {
  return (
    isAddress(text) ||
    (!looksLikeAddress(text) && text.length <= 253 && text.split('.').every((label) => TARGET_LABEL.test(label)))
  );
}

/** A host name with at least one dot, or localhost, below which an installation at home has its names; `*` only as the whole first label. */
export function isFullDomain(text: string): boolean {
  const rest = text.startsWith('*.') ? text.slice(2) : text;
  return isHostName(rest) && (rest.includes('.') || rest.toLowerCase() === 'localhost') && text.length <= 253;
}

/** `host` or `host:port`, as a Host header has it. */
export function isHostHeader(text: string): boolean {
  const [, host = '', port] = /^(.*?)(?::(\d{1,5}))?$/.exec(text) ?? [];
  return (
    (isTargetHost(host) || (/^\[[^\]]*\]$/.test(host) && isAddress(host.slice(1, -1)))) &&
    (port === undefined || (Number(port) >= 1 && Number(port) <= 65535))
  );
}

/** A name with at least one dot, whose labels but the last may hold `*` and `?`. */
export function isAlias(text: string): boolean {
  const labels = text.split('.');
  return (
    text.length <= 253 &&
    labels.length >= 2 &&
    labels.slice(0, -1).every((label) => PATTERN_LABEL.test(label)) &&
    LABEL.test(labels.at(-1) ?? '')
  );
}

/** `""` none, `*` all, or ports and ranges `a-b` with commas between. */
export function isPortRanges(text: string): boolean {
  if (text === '' || text === '*') return true;
  return text.split(',').every((part) => {
    const match = /^ *([1-9]\d{0,4})(?:-([1-9]\d{0,4}))? *$/.exec(part);
    const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    return match !== null && to <= 65535 && from <= to;
  });
}

export function isEmail(text: string): boolean {
  return (
    text.length <= 254 &&
    /^[^\s@*,;:<>()[\]\\"]{1,64}@[^\s@]+$/.test(text) &&
    isHostName(text.slice(text.indexOf('@') + 1))
  );
}

export const isHeaderName = (text: string) => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
export const isHeaderValue = (text: string) => /^[\t\x20-\x7e]*$/.test(text) && !/\{\{[^}]*\}\}/.test(text);

/** `/`, or segments in which `*` stands for anything; only the last may be empty. */
export function isPathGlob(text: string): boolean {
  if (text === '/') return true;
  const segments = text.replace(/^\//, '').split('/');
  if (segments.at(-1) === '') segments.pop();
  return segments.length > 0 && segments.every((segment) => GLOB_SEGMENT.test(segment));
}

/**
 * What joins the destination of a private resource with its mode and alias; where one of several is wrong, the one that is named.
 * @returns undefined when they fit each other
 */
export function destinationProblem(
  mode: 'host' | 'cidr' | 'http',
  destination: string,
  alias: string | null,
): { field: 'destination' | 'alias'; problem: string } | undefined {
  const of = (field: 'destination' | 'alias', problem: string) => ({ field, problem });
  if (mode === 'cidr')
    return isCidr(destination) ? undefined : of('destination', 'must be an address range such as 10.0.0.0/24 for cidr');
  if (mode === 'http')
    return alias === null ? undefined : of('alias', 'is not for http: such a resource is reached by its domain');
  if (isAddress(destination)) return undefined;
  if (!isHostName(destination) || !isTargetHost(destination))
    return of('destination', 'must be an IP address or a host name for host');
  // localhost is the machine of the site itself and needs no name in the network.
  if (alias === null)
    return destination.toLowerCase() === 'localhost'
      ? undefined
      : of('alias', 'is required: a host name is reached by an alias');
  return /[*?]/.test(alias) ? of('alias', 'a pattern needs an IP address as destination') : undefined;
}

/** A target's path as a pattern: what is matched or rewritten by `regex`. */
export const isPathPattern = (match: string | null | undefined, rewrite: string | null | undefined) =>
  match === 'regex' || rewrite === 'regex';

/** Instructions of a compiled pattern, unless the caller says another. A thousand times a short path, `{1000}`, is below it. */
const MAX_PROGRAM = 10_000;

/**
 * Why a pattern cannot be used, or undefined. RE2, as the proxies of sites read it: no look-around and no back references, and matching
 * takes time linear in text and program, whatever the pattern. Compiling one may take a second: the server does it in a worker thread.
 */
export function patternProblem(pattern: string, maxProgram = MAX_PROGRAM): string | undefined {
  try {
    const size = RE2JS.compile(pattern).programSize();
    return size > maxProgram
      ? `makes a program of ${size} instructions; at most ${maxProgram} are allowed: use smaller repeat counts`
      : undefined;
  } catch (error) {
    return `does not compile as an RE2 pattern: ${(error as Error).message}`;
  }
}
