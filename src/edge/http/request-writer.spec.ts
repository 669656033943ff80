import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunkOf, lastChunk, requestHead, UnwritableRequest } from './request-writer.js';

/** What node's server makes of these bytes; undefined where it refuses them. */
function readByNode(bytes: Buffer): Promise<{ request: IncomingMessage; body: Buffer } | undefined> {
  return new Promise((resolve) => {
    const server = createServer((request) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => resolve({ request, body: Buffer.concat(parts) }));
    });
    server.on('clientError', () => resolve(undefined));
    const socket = new Duplex({ read() {}, write: (_part, _encoding, done) => done() });
    server.emit('connection', socket);
    socket.push(bytes);
  });
}

const bytesOf = (head: string) => Buffer.from(head, 'latin1');

describe('the head of a request', () => {
  it('is read by node as it was meant', async () => {
    const fields = ['Host', 'app.example.com', 'X-Empty', '', 'X-Upper', 'caf\xe9', 'X-Tab', 'a\tb'];
    const read = await readByNode(bytesOf(requestHead('GET', '/a?b=c', fields)));
    expect(read?.request).toMatchObject({ method: 'GET', url: '/a?b=c', rawHeaders: fields });
  });

  it('cannot be made to hold another line', () => {
    for (const evil of ['\r\n', '\n', '\r', '\0', '\x7f', '\u010a', '\u{1f600}']) {
      expect(() => requestHead(`GET${evil}`, '/', [])).toThrow(UnwritableRequest);
      expect(() => requestHead('GET', `/${evil}`, [])).toThrow(UnwritableRequest);
      expect(() => requestHead('GET', '/', [`X${evil}`, '1'])).toThrow(UnwritableRequest);
      expect(() => requestHead('GET', '/', ['X', `1${evil}`])).toThrow(UnwritableRequest);
      expect(() => lastChunk(['X', `1${evil}`])).toThrow(UnwritableRequest);
    }
    for (const evil of [' ', ':', '', '(', '\xe9'])
      expect(() => requestHead('GET', '/', [`${evil}`, '1'])).toThrow(UnwritableRequest);
    expect(() => requestHead('', '/', [])).toThrow(UnwritableRequest);
    expect(() => requestHead('GET', '', [])).toThrow(UnwritableRequest);
    expect(() => requestHead('GET', '/ HTTP/1.1', [])).toThrow(UnwritableRequest);
  });

  it('has as many lines as fields, whatever these are', () => {
    const text = fc.string({ unit: fc.integer({ min: 0, max: 300 }).map((code) => String.fromCharCode(code)) });
    fc.assert(
      fc.property(text, text, fc.array(fc.tuple(text, text)), (method, target, pairs) => {
        let head: string;
        try {
          head = requestHead(method, target, pairs.flat());
        } catch (error) {
          expect(error).toBeInstanceOf(UnwritableRequest);
          return;
        }
        expect(head.split(/\r\n|\r|\n/)).toHaveLength(pairs.length + 3);
        expect(head).not.toContain('\0');
      }),
      { numRuns: 500 },
    );
  });
});

describe('a body in chunks', () => {
  it('is read by node as it was meant, with its trailers', async () => {
    const parts = ['first', '', 'x'.repeat(70_000), '\r\n0\r\n\r\n'].map((text) => Buffer.from(text));
    const read = await readByNode(
      Buffer.concat([
        bytesOf(requestHead('POST', '/', ['Host', 'a', 'Transfer-Encoding', 'chunked'])),
        ...parts.map(chunkOf),
        lastChunk(['X-Sum', '1']),
      ]),
    );
    expect(read?.body.equals(Buffer.concat(parts))).toBe(true);
    expect(read?.request.rawTrailers).toEqual(['X-Sum', '1']);
  });

  it('does not end by an empty part', () => {
    expect(chunkOf(Buffer.alloc(0))).toHaveLength(0);
    expect(lastChunk([]).toString()).toBe('0\r\n\r\n');
  });
});
