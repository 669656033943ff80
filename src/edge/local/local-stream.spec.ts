import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/server.js';
import { DialPolicy } from '../policy/dial-policy.js';
import { LocalDialer } from '../policy/local-dialer.js';
import { LocalFlow } from './local-flow.js';
import { LocalStream } from './local-stream.js';

const policy = new DialPolicy([
  { orgId: 'acme', cidr: '127.0.0.1/32', from: 1, to: 65_535 },
  { orgId: 'acme', cidr: '169.254.0.0/16', from: 1, to: 65_535 },
]);
const dialer = new LocalDialer(policy, async (host) =>
  host === 'meta.internal' ? ['169.254.169.254'] : ['127.0.0.1'],
);
let server: Server;
afterEach(() => server?.close());

async function listen(take: (socket: Socket) => void): Promise<number> {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    take(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
const to = (host: string, port: number) =>
  new LocalStream(dialer, 'acme', { protocol: 'tcp', host, port, payload: 'tcp' });

describe('a stream that the server dials itself', () => {
  it('takes bytes before it is connected, ends in order, and lets the other side end after its own end', async () => {
    let heard = '';
    const port = await listen((socket) => {
      socket.setEncoding('latin1').on('data', (chunk: string) => (heard += chunk));
      socket.on('end', () => socket.end(`heard ${heard}`));
    });
    const stream = to('app.internal', port);
    let text = '';
    stream.duplex.on('data', (chunk: Buffer) => (text += chunk.toString()));
    stream.duplex.write('early ');
    await stream.opened;
    stream.duplex.end('late');
    await once(stream.duplex, 'end');
    expect({ text, order: stream.endedInOrder, open: stream.isOpen }).toEqual({
      text: 'heard early late',
      order: true,
      open: false,
    });
  });

  it('that breaks did not end in order', async () => {
    const port = await listen((socket) => socket.write('half', () => socket.resetAndDestroy()));
    const stream = to('127.0.0.1', port);
    stream.duplex.resume();
    await once(stream.duplex, 'close');
    expect(stream.endedInOrder).toBe(false);
  });

  it('that is given up leaves no connection', async () => {
    const sockets = new Set<Socket>();
    const port = await listen((socket) => sockets.add(socket).size && socket.on('close', () => sockets.delete(socket)));
    const stream = to('127.0.0.1', port);
    await stream.opened;
    await until(() => sockets.size === 1);
    stream.abort();
    await until(() => sockets.size === 0);
    expect(stream.isOpen).toBe(false);
  });

  it('says why there is none', async () => {
    const port = await listen(() => undefined);
    server.close();
    await expect(to('127.0.0.1', port).opened).rejects.toMatchObject({ code: 'refused' });
    await expect(to('169.254.169.254', 80).opened).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(to('meta.internal', 80).opened).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(to('10.0.0.1', 80).opened).rejects.toMatchObject({ code: 'not_allowed' });
  });

  it('of datagrams goes both ways, and only where it may', async () => {
    const echo = createSocket('udp4');
    echo.on('message', (payload, from) => echo.send(payload, from.port, from.address));
    echo.bind(0, '127.0.0.1');
    await once(echo, 'listening');
    const heard: string[] = [];
    const flow = new LocalFlow(dialer, 'acme', { host: '127.0.0.1', port: echo.address().port }, (payload) =>
      heard.push(Buffer.from(payload).toString()),
    );
    flow.send(Buffer.from('one'));
    await until(() => heard.length === 1);
    expect(heard).toEqual(['one']);
    flow.close();
    echo.close();
    const never = new LocalFlow(dialer, 'acme', { host: 'meta.internal', port: 53 }, () => undefined);
    await expect(never.opened).rejects.toMatchObject({ code: 'not_allowed' });
    expect(never.isOpen).toBe(false);
  });
});
