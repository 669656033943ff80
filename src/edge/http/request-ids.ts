import { randomUUID } from 'node:crypto';

/** Up to the digit of the version, for one millisecond: requests come many at a time. */
let ofMs = -1;
let beginning = '';

/**
 * A new request id: a UUID of version 7 (RFC 9562 §5.7), which begins with the time. The log is looked up by it, and an index over ids in
 * the order of time grows at one end; over random ones each row would change another page.
 * @param now in milliseconds since 1970
 */
export function newRequestId(now = Date.now()): string {
  if (now !== ofMs) {
    const hex = now.toString(16).padStart(12, '0');
    beginning = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    ofMs = now;
  }
  // What comes after its version is random in version 4 too, but for the variant, which both have.
  return beginning + randomUUID().slice(15);
}
