import type { EdgeCall } from './edge-call.js';

const MAX = 16 * 1024;
const TIME_MS = 30_000;

/** Reads the body of a form. @returns undefined where it is too long, takes too long, or is broken off */
export async function readForm({ body, wantBody }: EdgeCall): Promise<Buffer | undefined> {
  if (!body || body.length === 0) return Buffer.alloc(0);
  if (body.length !== 'chunked' && body.length > MAX) return undefined;
  wantBody();
  const parts: Buffer[] = [];
  let bytes = 0;
  return new Promise((done) => {
    const timer = setTimeout(() => done(undefined), TIME_MS).unref();
    const end = (whole: Buffer | undefined) => {
      clearTimeout(timer);
      done(whole);
    };
    body.stream.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes > MAX) return end(undefined);
      parts.push(part);
    });
    body.stream.on('end', () => end(Buffer.concat(parts)));
    for (const event of ['error', 'close']) body.stream.on(event, () => end(undefined));
  });
}
