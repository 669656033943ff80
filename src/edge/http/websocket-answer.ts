import { hash } from 'node:crypto';
import { listOf } from './field-syntax.js';
import type { Fields } from './response-head.js';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** What the other side of a websocket proves by that it read the key (RFC 6455 §4.2.2). */
export const acceptOf = (key: string): string => hash('sha1', key + GUID, 'base64');

/** Whether these are the fields of a 101 to the websocket with this key, and to nothing else. */
export function acceptsWebsocket(fields: Readonly<Fields>, key: string): boolean {
  let [upgrades, connection, accepts, right] = [0, '', 0, true];
  for (let i = 0; i < fields.length; i += 2) {
    const value = fields[i + 1]!;
    switch (fields[i]!.toLowerCase()) {
      case 'upgrade':
        upgrades++;
        right &&= value.toLowerCase() === 'websocket';
        break;
      case 'connection':
        connection += `,${value}`;
        break;
      case 'sec-websocket-accept':
        accepts++;
        right &&= value === acceptOf(key);
        break;
    }
  }
  return right && upgrades === 1 && accepts === 1 && listOf(connection).includes('upgrade');
}
