import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { frameOf, H2cTarget, rawH2c } from '../../../test/support/h2c.js';
import type { TargetStream } from '../dialing/target-stream.js';
import { Http2Line, http2Head } from './http2-line.js';
import type { OutgoingRequest } from './line.js';
import { TargetSession } from './target-session.js';

const GET: OutgoingRequest = {
  method: 'GET',
  target: '/',
  fields: ['Host', 'app.example', 'X-A', '1', 'x-a', '2', 'Connection', 'TE', 'TE', 'trailers'],
  body: undefined,
  websocketKey: undefined,
};

/** A stream over a socket of its own. */
function streamTo(port: number): TargetStream {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  return {
    duplex: socket,
    opened: once(socket, 'connect').then(() => undefined),
    get isOpen() {
      return !socket.destroyed;
    },
    endedInOrder: false,
    isLost: false,
    abort: () => void socket.destroy(),
  };
}

describe('a line of HTTP/2', () => {
  let target: H2cTarget;
  afterEach(() => target?.stop());

  it('carries one request and its answer', async () => {
    target = await H2cTarget.start((stream, headers) => {
      stream.respond({ ':status': 200 });
      stream.end(JSON.stringify([headers[':authority'], headers['x-a'], headers['te'], headers['connection']]));
    });
    const session = new TargetSession(streamTo(target.port), () => undefined);
    const line = new Http2Line(session, GET, http2Head(GET));
    let text = '';
    await new Promise<void>((done, failed) =>
      line.begin({
        interim: () => undefined,
        head: ({ status }) => expect(status).toBe(200),
        body: (part) => void (text += part.toString()),
        end: () => done(),
        upgraded: () => undefined,
        broken: () => failed(new Error('broken')),
        drained: () => undefined,
      }),
    );
    expect(JSON.parse(text)).toEqual(['app.example', '1, 2', 'trailers', null]);
    session.drop();
  });

  // Without a bound of our own nothing is heard of these: nghttp2 stops to read.
  it.each([
    ['of data', (id: number) => frameOf(0, 0, id, Buffer.alloc(16_385))],
    [
      'that says so, before the rest of it has come',
      (id: number) => frameOf(0, 0, id, Buffer.alloc(16_385)).subarray(0, 9),
    ],
    ['as which HTTP/1.1 reads', () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('is broken by a frame that is too long: %s', async (_, answer) => {
    const raw = await rawH2c((socket, id) => socket.write(answer(id)));
    const session = new TargetSession(streamTo(raw.port), () => undefined);
    const line = new Http2Line(session, GET, http2Head(GET));
    const nothing = () => undefined;
    const isSilent = await new Promise<boolean>((broken) =>
      line.begin({
        interim: nothing,
        head: nothing,
        body: nothing,
        end: nothing,
        upgraded: nothing,
        broken,
        drained: nothing,
      }),
    );
    expect([isSilent, session.hasRoom]).toEqual([true, false]);
    raw.stop();
  });
});
