/** Names that are plainly names; anything else may be the secret itself, as in `?k7Jq…`. */
const NAME = /^[A-Za-z0-9_.[\]-]{1,64}$/;
const MASK = '*';

/**
 * What the log keeps of a path as it was asked for: values of the query are nobody's to read, the names before them say what was asked.
 * @returns the query without its `?`, null where there is none
 */
export function maskedPath(asked: string): { path: string; query: string | null } {
  const at = asked.indexOf('?');
  if (at === -1) return { path: asked, query: null };
  return { path: asked.slice(0, at), query: maskedQuery(asked.slice(at + 1)) };
}

function maskedQuery(query: string): string {
  return query
    .split('&')
    .map((part) => {
      const equals = part.indexOf('=');
      if (equals === -1) return part === '' ? '' : MASK;
      const name = part.slice(0, equals);
      return `${NAME.test(name) ? name : MASK}=${MASK}`;
    })
    .join('&');
}

/** A text that PostgreSQL takes, and no longer than what somebody reads. */
export function clipped(text: string, length: number): string {
  const short = text.length > length ? `${text.slice(0, length)}…` : text;
  // Halves of pairs come out of UTF-8 as U+FFFD.
  return /[\0\ud800-\udfff]/.test(short) ? Buffer.from(short.replaceAll('\0', '')).toString() : short;
}
