import type { EdgeCall } from './edge-call.js';

const MAX_BYTES = 16_384;

/** @returns the body of a request to the edge itself; undefined where it is longer than a form is, or breaks off */
export function readForm(call: Pick<EdgeCall, 'body' | 'wantBody'>): Promise<Buffer | undefined> {
  const { body } = call;
  if (!body) return Promise.resolve(Buffer.alloc(0));
  if (body.length !== 'chunked' && body.length > MAX_BYTES) return Promise.resolve(undefined);
  call.wantBody();
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let length = 0;
    body.stream.on('data', (part: Buffer) => {
      length += part.length;
      if (length <= MAX_BYTES) parts.push(part);
      else resolve(undefined);
    });
    body.stream.on('end', () => resolve(Buffer.concat(parts)));
    for (const event of ['error', 'close']) body.stream.on(event, () => resolve(undefined));
  });
}
