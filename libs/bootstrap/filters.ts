import { INSTANCE_LIMITS, type TextFilter } from '#contracts';
import { BootstrapError } from './bootstrap-error.js';

const UNPRINTED = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

const LONE_SURROGATES = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Quotes in which JSON, YAML 1.1 and YAML 1.2 read the same text: one line, and nothing that a reader of one of them does not take as it is. */
const quoted = (text: string): string =>
  JSON.stringify(text).replace(UNPRINTED, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);

function base64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

const FILTERS: Record<TextFilter, (text: string) => string> = {
  json: quoted,
  yaml: quoted,
  /** One word of a POSIX shell. */
  shell: (text) => `'${text.replaceAll("'", "'\\''")}'`,
  /** A part of a URL: only the unreserved characters of RFC 3986 stay. */
  uri: (text) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`),
  base64: (text) => base64(new TextEncoder().encode(text)),
};

/** @throws BootstrapError for what is longer than the bundle that it stands in may be */
export function checkSize(length: number): void {
  if (length <= INSTANCE_LIMITS.bundleBytes) return;
  const message = `the bundle has more than ${INSTANCE_LIMITS.bundleBytes} bytes`;
  throw new BootstrapError([{ path: '', message, line: 0, column: 0 }]);
}

/**
 * The value of a template as its filters leave it, the first one first. No filter makes a text shorter, and `shell` makes one of quotes four
 * times as long: what has grown too long is given up before the next one.
 * @throws BootstrapError
 */
export function applyFilters(value: string, filters: readonly TextFilter[] = []): string {
  return filters.reduce(
    (text, filter) => {
      checkSize(text.length);
      return FILTERS[filter](text);
    },
    value.replace(LONE_SURROGATES, '\ufffd'),
  );
}

/** The same for bytes, which only `base64` takes when they are no text. @returns undefined when they are not, and it is not the first filter */
export function filterBytes(bytes: Uint8Array, filters: readonly TextFilter[]): string | undefined {
  if (filters[0] === 'base64') return applyFilters(base64(bytes), filters.slice(1));
  try {
    return applyFilters(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), filters);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
