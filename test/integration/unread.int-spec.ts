import { once } from 'node:events';
import { createServer, get, type Server } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { connect as secure } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { UnreadAnswers } from '../../libs/platform/http/unread-answers.js';
import { selfSigned } from '../support/certificate.js';
import { until } from '../support/server.js';

/** More than the buffers of both sides in the kernel take. */
const LARGE = 32 * 1024 * 1024;
const open: Socket[] = [];
let server: Server;
let watched: UnreadAnswers;
let port: number;
/** The connections as the server has them, in the order of their requests. */
let accepted: Socket[];

afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
  server.closeAllConnections();
  server.close();
});

async function start(bounds: { turns: number; bytes: number }, tls?: { cert: string; key: string }): Promise<void> {
  accepted = [];
  const answer: Parameters<typeof createServer>[1] = ({ socket, url }, response) => {
    accepted.push(socket);
    if (url === '/large') response.end(Buffer.alloc(LARGE));
    else if (url === '/stream') response.write('begun');
    else response.end('small');
  };
  server = tls ? createSecure(tls, answer) : createServer(answer);
  watched = new UnreadAnswers(bounds);
  watched.follow(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  port = (server.address() as AddressInfo).port;
}

/** A client that asks, and reads nothing. @returns its connection at the server, once the answer waits there */
async function asks(path: string, localAddress = '127.0.0.1', tls = false): Promise<Socket> {
  const n = accepted.length;
  const socket = tls
    ? secure({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : connect({ port, host: '127.0.0.1', localAddress });
  open.push(socket.on('error', () => undefined).pause());
  await once(socket, tls ? 'secureConnect' : 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  return until(() => accepted[n]);
}
const turns = (n: number) => {
  for (let i = 0; i < n; i++) watched.sweep();
};
const gone = (sockets: Socket[]) => sockets.map(({ destroyed }) => destroyed);

describe('an answer that its client does not read', () => {
  it.each([false, true])('is given up after a time, TLS: %s', async (tls) => {
    await start({ turns: 5, bytes: Number.POSITIVE_INFINITY }, tls ? await selfSigned('03') : undefined);
    const unread = await asks('/large', '127.0.0.1', tls);
    expect(unread.writableLength).toBeGreaterThan(0);
    turns(5);
    expect(unread.destroyed).toBe(false);
    turns(1);
    expect(unread.destroyed).toBe(true);
  });

  it('no stream is one, and no connection whose answers were read', async () => {
    await start({ turns: 5, bytes: 0 });
    const stream = await asks('/stream');
    const small = await asks('/small');
    await until(() => small.writableLength === 0);
    turns(20);
    expect(gone([stream, small])).toEqual([false, false]);
  });

  it('one that is being read is answered to its end', async () => {
    await start({ turns: 5, bytes: 2 * LARGE });
    let read = 0;
    await new Promise<void>((done, failed) =>
      get({ port, host: '127.0.0.1', path: '/large' }, (response) => {
        turns(5);
        response
          .on('data', (chunk: Buffer) => (read += chunk.length))
          .on('end', done)
          .on('error', failed);
      }),
    );
    turns(20);
    expect(read).toBe(LARGE);
  });

  it('all of them are bounded together: the oldest of the address that holds most goes', async () => {
    await start({ turns: 100, bytes: 2.5 * LARGE });
    const honest = await asks('/large', '127.0.0.2');
    const greedy = [await asks('/large'), await asks('/large')];
    turns(3);
    expect(gone([honest, ...greedy])).toEqual([false, true, false]);
    greedy.push(await asks('/large'), await asks('/large'));
    turns(1);
    expect(gone([honest, ...greedy])).toEqual([false, true, true, true, false]);
  });
});
