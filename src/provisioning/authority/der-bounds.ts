/** A signing request with seven parts of a name, six extensions and twenty names has about a hundred. */
const MOST_ELEMENTS = 300;
/** Bytes of an object identifier that cost as much as an element. */
const IDENTIFIER_BYTES = 16;
const [OBJECT_IDENTIFIER, BIT_STRING, OCTET_STRING, CONSTRUCTED] = [0x06, 0x03, 0x04, 0x20];

/**
 * Whether some bytes are one element of DER, and quickly read: parsers make objects of every element, and look into strings for more of them, which takes
 * a second for 20 KB of small ones (docs/adr/0017). Looked at in one pass without objects.
 */
export function isQuicklyRead(der: Buffer): boolean {
  let left = MOST_ELEMENTS;

  /** @returns where the element ends; -1: there is none, or too many were there */
  function element(at: number, end: number): number {
    if (at + 2 > end) return -1;
    const tag = der[at]!;
    let length = der[at + 1]!;
    let content = at + 2;
    if (length > 0x80) {
      const bytes = length & 0x7f;
      if (bytes > 3 || content + bytes > end) return -1;
      length = der.readUIntBE(content, bytes);
      content += bytes;
    } else if (length === 0x80) return -1;
    const next = content + length;
    if (next > end) return -1;
    left -= 1 + (tag === OBJECT_IDENTIFIER ? Math.floor(length / IDENTIFIER_BYTES) : 0);
    if (left < 0) return -1;
    if (tag & CONSTRUCTED) {
      if (!elements(content, next)) return -1;
    } else if (tag === BIT_STRING && length > 0) elements(content + 1, next);
    else if (tag === OCTET_STRING) elements(content, next);
    // What looks like elements within a string need not be some, but counts.
    return left < 0 ? -1 : next;
  }

  function elements(at: number, end: number): boolean {
    while (at >= 0 && at < end) at = element(at, end);
    return at >= 0;
  }

  return element(0, der.length) === der.length;
}
