import { STATUS_CODES } from 'node:http';
import { isAll, isFieldValue, TOKEN } from './field-syntax.js';
import type { Fields } from './response-head.js';

/**
 * An answer of HTTP/1.1 in one piece, on a connection that stays (RFC 9112 §4).
 * @param fields with the length of the body among them
 * @param keepAliveSeconds for how long the connection is kept without another request
 * @returns undefined where it is to be written in another way: it is said to end the connection, or holds what no field may hold
 */
export function wholeAnswer(
  { status, reason, fields }: { status: number; reason: string; fields: Readonly<Fields> },
  body: Buffer,
  keepAliveSeconds: number,
): Buffer | undefined {
  let text = `HTTP/1.1 ${status} ${reason || STATUS_CODES[status] || ''}\r\n`;
  let isDated = false;
  for (let i = 0; i < fields.length; i += 2) {
    const [name, value] = [fields[i]!, fields[i + 1]!];
    if (!isAll(TOKEN, name) || !isFieldValue(value)) return undefined;
    if (name.length === 10 && name.toLowerCase() === 'connection') return undefined;
    isDated ||= name.length === 4 && name.toLowerCase() === 'date';
    text += `${name}: ${value}\r\n`;
  }
  if (!isDated) text += `Date: ${new Date().toUTCString()}\r\n`;
  text += `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveSeconds}\r\n\r\n`;
  const bytes = Buffer.allocUnsafe(text.length + body.length);
  bytes.write(text, 'latin1');
  bytes.set(body, text.length);
  return bytes;
}
