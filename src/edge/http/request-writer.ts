import { isAll, isFieldValue, TOKEN } from './field-syntax.js';
import type { Fields } from './response-head.js';

/** Something that would be read as more than it is was to be written into a request: a fault of this program, or a trick of its caller. */
export class UnwritableRequest extends Error {}

const LAST_CHUNK = Buffer.from('0\r\n\r\n');
const NOTHING = Buffer.alloc(0);

/**
 * The head of a request as HTTP/1.1 (RFC 9112), each character a byte. Nothing in it can end a line, whatever it was made of.
 * @throws UnwritableRequest
 */
export function requestHead(method: string, target: string, fields: Readonly<Fields>): string {
  if (!isAll(TOKEN, method)) throw new UnwritableRequest('the method is no token');
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code <= 32 || code >= 127) throw new UnwritableRequest('the target holds what none may hold');
  }
  if (target.length === 0) throw new UnwritableRequest('there is no target');
  return `${method} ${target} HTTP/1.1\r\n${lines(fields)}\r\n`;
}

/** One chunk of a body. Nothing makes none, since a chunk of nothing ends a body. */
export function chunkOf(data: Buffer): Buffer {
  if (data.length === 0) return NOTHING;
  const size = data.length.toString(16);
  const chunk = Buffer.allocUnsafe(size.length + 2 + data.length + 2);
  chunk.write(`${size}\r\n`, 0, 'latin1');
  data.copy(chunk, size.length + 2);
  chunk.write('\r\n', chunk.length - 2, 'latin1');
  return chunk;
}

/** The end of a body in chunks. @throws UnwritableRequest */
export function lastChunk(trailers: Readonly<Fields>): Buffer {
  return trailers.length === 0 ? LAST_CHUNK : Buffer.from(`0\r\n${lines(trailers)}\r\n`, 'latin1');
}

function lines(fields: Readonly<Fields>): string {
  let text = '';
  for (let i = 0; i < fields.length; i += 2) {
    const [name, value] = [fields[i]!, fields[i + 1]!];
    if (!isAll(TOKEN, name) || !isFieldValue(value))
      throw new UnwritableRequest(`the field ${JSON.stringify(name)} holds what none may hold`);
    text += `${name}: ${value}\r\n`;
  }
  return text;
}
