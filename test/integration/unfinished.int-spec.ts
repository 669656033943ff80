import { once } from 'node:events';
import { Agent, createServer, request, type Server } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setImmediate as pass } from 'node:timers/promises';
import { connect as secure } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { UnfinishedRequests } from '../../libs/platform/http/unfinished-requests.js';
import { selfSigned } from '../support/certificate.js';
import { until } from '../support/server.js';

const GRACE = 10;
const open: { destroy(): void }[] = [];
let server: Server;
let watched: UnfinishedRequests;
let port: number;
let accepted: number;

afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
  server.close();
  server.closeAllConnections();
});

async function start(
  bounds: { perAddress: number; total: number; trusted?: string },
  tls?: { cert: string; key: string },
) {
  const answer: Parameters<typeof createServer>[1] = (req, res) => void req.resume().on('end', () => res.end('ok'));
  server = tls ? createSecure(tls, answer) : createServer(answer);
  watched = new UnfinishedRequests({ ...bounds, isTrusted: (address) => address === bounds.trusted }, (socket) =>
    socket.end('HTTP/1.1 408 Request Timeout\r\n\r\n', () => socket.destroy()),
  );
  watched.follow(server);
  accepted = 0;
  server.on('connection', () => accepted++);
  server.on('upgrade', (_, socket) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
  );
  await once(server.listen(0, '127.0.0.1', 2048), 'listening');
  port = (server.address() as AddressInfo).port;
}

interface Half {
  socket: Socket;
  state: () => string;
}

/** A connection that sends this and then nothing. */
async function half(text: string, localAddress = '127.0.0.1'): Promise<Half> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  open.push(socket);
  let state = 'open';
  let received = '';
  socket
    .on('error', () => undefined)
    .on('data', (data) => (received += data.toString()))
    .on('close', () => (state = `closed ${received.slice(0, 12)}`.trim()));
  await once(socket, 'connect');
  if (text !== '') await new Promise((done) => socket.write(text, done));
  return { socket, state: () => state };
}

/** So many turns, each with passes of the event loop before it. */
async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) {
    await pass();
    await pass();
    watched.sweep();
  }
}
const arrived = (n: number) => until(() => Promise.resolve(accepted >= n || undefined));
const states = (all: { state: () => string }[]) => all.map(({ state }) => state());

describe('connections on which a request begins and does not arrive', () => {
  it.each([
    ['that sent nothing', '', 'closed'],
    ['with half of their headers', 'GET / HTTP/1.1\r\nhost:', 'closed HTTP/1.1 408'],
    ['with half of a body', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345', 'closed HTTP/1.1 408'],
    [
      'with half of a chunked body',
      'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n123',
      'closed HTTP/1.1 408',
    ],
  ])('%s are closed beyond the share of their address, the oldest first', async (_, text, end) => {
    await start({ perAddress: 3, total: 100 });
    const all: Half[] = [];
    for (let i = 0; i < 5; i++) {
      all.push(await half(text));
      await arrived(i + 1);
      await turns(1);
    }
    const other = await half(text, '127.0.0.2');
    await arrived(6);
    await turns(GRACE - 2);
    expect(states(all)).toEqual(['open', 'open', 'open', 'open', 'open']);
    await turns(3);
    await until(() => Promise.resolve(states(all).filter((state) => state !== 'open').length === 2 || undefined));
    expect(states(all)).toEqual([end, end, 'open', 'open', 'open']);
    await turns(GRACE);
    expect(states([...all, other])).toEqual([end, end, 'open', 'open', 'open', 'open']);
  });

  it('are closed beyond the total, whatever their addresses', async () => {
    await start({ perAddress: 100, total: 4 });
    const all: Half[] = [];
    for (let i = 0; i < 6; i++) {
      all.push(await half('GET / HTTP/1.1\r\n', `127.0.0.${i + 2}`));
      await arrived(i + 1);
      await turns(1);
    }
    await turns(GRACE);
    await until(() => Promise.resolve(states(all).filter((state) => state !== 'open').length === 2 || undefined));
    expect(states(all).slice(2)).toEqual(['open', 'open', 'open', 'open']);
  });

  it('of a trusted proxy have no share, but count in all', async () => {
    await start({ perAddress: 1, total: 3, trusted: '127.0.0.1' });
    const all = [await half(''), await half(''), await half('')];
    await arrived(3);
    await turns(GRACE + 1);
    expect(states(all)).toEqual(['open', 'open', 'open']);
    const one = await half('');
    await arrived(4);
    await turns(GRACE + 1);
    await until(() => Promise.resolve(states(all).includes('closed') || undefined));
    expect(one.state()).toBe('open');
  });

  it('are found when they begin after a whole request', async () => {
    await start({ perAddress: 1, total: 100 });
    const all: Half[] = [];
    for (let i = 0; i < 3; i++) {
      const one = await half('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
      const [answer] = (await once(one.socket, 'data')) as [Buffer];
      expect(answer.toString()).toMatch(/200 OK/);
      all.push(one);
    }
    await turns(2 * GRACE);
    expect(states(all)).toEqual(['open', 'open', 'open']);
    for (const { socket } of all) await new Promise((done) => socket.write('GET / HTT', done));
    await turns(GRACE + 3);
    await until(() => Promise.resolve(states(all).filter((state) => state !== 'open').length === 2 || undefined));
  });

  it('do not count once they are whole: requests, idle connections, upgrades, any number from one address', async () => {
    await start({ perAddress: 2, total: 2 });
    const agent = new Agent({ keepAlive: true, maxFreeSockets: 1000 });
    open.push(agent);
    const answers = await Promise.all(
      Array.from(
        { length: 300 },
        (_, i) =>
          new Promise<number>((resolve, reject) => {
            const sent = request({ port, host: '127.0.0.1', agent, method: i % 2 ? 'POST' : 'GET' }, (response) =>
              response.resume().on('end', () => resolve(response.statusCode!)),
            );
            sent.on('error', reject).end(i % 2 ? 'body' : undefined);
          }),
      ),
    );
    expect(new Set(answers)).toEqual(new Set([200]));
    const upgraded = await Promise.all(
      [1, 2, 3, 4].map(() => half('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')),
    );
    await Promise.all(upgraded.map(({ socket }) => once(socket, 'data')));
    await turns(2 * GRACE);
    const connections = await new Promise<number>((resolve, reject) =>
      server.getConnections((error, n) => (error ? reject(error) : resolve(n))),
    );
    expect(connections).toBe(304);
    expect(states(upgraded)).toEqual(['open', 'open', 'open', 'open']);
  });

  it('do count while TLS is spoken, and before it is', async () => {
    const tls = await selfSigned('01');
    await start({ perAddress: 1, total: 100 }, tls);
    const silent = await half('');
    await arrived(1);
    const begun = await half('\x16\x03\x01');
    await arrived(2);
    await turns(1);
    const whole = secure({ port, host: '127.0.0.1', rejectUnauthorized: false });
    open.push(whole);
    whole.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(whole, 'data');
    const late = secure({ port, host: '127.0.0.1', rejectUnauthorized: false });
    open.push(late);
    await once(late, 'secureConnect');
    let closed = '';
    late.on('data', (data: Buffer) => (closed += data.toString())).on('error', () => undefined);
    late.write('GET / HT');
    await turns(1);
    await turns(GRACE + 1);
    await until(() => Promise.resolve(states([silent, begun]).every((state) => state === 'closed') || undefined));
    expect(late.destroyed).toBe(false);
    const younger = await half('');
    await arrived(5);
    await turns(GRACE + 1);
    await until(() => Promise.resolve(closed.includes('408') || undefined));
    expect(younger.state()).toBe('open');
    expect(whole.destroyed).toBe(false);
    whole.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(whole, 'data');
  });
});
