import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TUNNEL } from '#contracts';
import type { TunnelConnection } from '../../src/edge/tunnels/tunnel-connection.js';
import type { TunnelRegistry } from '../../src/edge/tunnels/tunnel-registry.js';
import { type Program, startAgentProgram } from './agent-process.js';
import type { Api, TestOrg } from './api.js';
import { until } from './server.js';

/** A TCP server on loopback that sends back what it is sent: what stands behind an agent. */
export class EchoTarget {
  readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(): Promise<EchoTarget> {
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const target = new EchoTarget(server, (server.address() as AddressInfo).port);
    server.on('connection', (socket) => {
      target.sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => target.sockets.delete(socket));
      socket.pipe(socket);
    });
    return target;
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

/** The agent program of one site, with its state in a folder of its own. */
export class TunnelAgent {
  readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-tunnel-'));
  private program: Program | undefined;

  /** @param random what it draws at random, from 0 to 1; absent: anything */
  constructor(
    private readonly args: string[],
    private readonly env: Record<string, string> = {},
    private readonly random?: number,
  ) {}

  start(): void {
    this.program = startAgentProgram(this.args, {
      env: { HOME: this.folder, CONFIG_FILE: join(this.folder, 'config.json'), LOG_LEVEL: 'DEBUG', ...this.env },
      ...(this.random === undefined ? {} : { preload: `data:text/javascript,Math.random = () => ${this.random}` }),
    });
  }

  get output(): string {
    return this.program?.stderr ?? '';
  }

  async kill(): Promise<void> {
    this.program?.child.kill('SIGKILL');
    await this.program?.ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A raw TCP resource that leads to a port of the agent's machine. @returns its id */
export async function publish(
  root: Api,
  org: TestOrg,
  siteId: number,
  port: number,
  proxyPort: number,
  ip = '127.0.0.1',
) {
  const { resourceId } = await root.expect<{ resourceId: number }>('PUT', org.path('resource'), {
    name: 'echo',
    http: false,
    protocol: 'tcp',
    proxyPort,
  });
  await root.expect('PUT', `/resource/${resourceId}/target`, { siteId, ip, port });
  return resourceId;
}

/** The least busy connection of a site, once streams can be opened on so many. */
export async function usable(registry: TunnelRegistry, siteId: number, count = 2): Promise<TunnelConnection> {
  await until(() => registry.usable(siteId).length === count);
  return registry.usable(siteId)[0]!;
}

/** Why a stream was not opened, or `connected`. */
export async function dialed(connection: TunnelConnection, port: number, host = '127.0.0.1'): Promise<string> {
  const stream = connection.connect({ protocol: 'tcp', host, port, payload: 'tcp' });
  const outcome = await stream.opened.then(
    () => 'connected',
    (refusal: { code: string }) => refusal.code,
  );
  stream.abort();
  return outcome;
}

/** Sends bytes through a stream to an {@link EchoTarget}. @returns whether the same came back, to the end */
export async function echoes(connection: TunnelConnection, port: number, bytes = 1_000_000): Promise<boolean> {
  const sent = randomBytes(bytes);
  const { duplex, opened } = connection.connect({ protocol: 'tcp', host: '127.0.0.1', port, payload: 'tcp' });
  const back: Buffer[] = [];
  duplex.on('data', (chunk: Buffer) => back.push(chunk));
  const ended = once(duplex, 'end');
  duplex.end(sent);
  await opened;
  await ended;
  return digest(Buffer.concat(back)) === digest(sent);
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A proxy that passes requests on and of upgrades only those to a websocket, as many do. */
export async function webSocketProxy(to: number): Promise<{ url: string; refused(): number; close(): void }> {
  let refused = 0;
  const sockets = new Set<Socket>();
  const proxy: HttpServer = createHttpServer((request, response) => {
    const options = {
      port: to,
      host: '127.0.0.1',
      method: request.method,
      path: request.url,
      headers: request.headers,
    };
    const passed = httpRequest(options, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    passed.on('error', () => response.destroy());
    request.pipe(passed);
  });
  proxy.on('connection', (socket) => void sockets.add(socket.on('error', () => undefined)));
  proxy.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (request.headers.upgrade !== 'websocket') {
      refused++;
      return void socket.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    }
    const upstream = connect(to, '127.0.0.1');
    sockets.add(upstream);
    const lines = request.rawHeaders.reduce((text, part, i) => text + part + (i % 2 === 0 ? ': ' : '\r\n'), '');
    upstream.write(`GET ${request.url} HTTP/1.1\r\n${lines}\r\n`);
    upstream.write(head);
    socket.pipe(upstream).pipe(socket);
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const)
      one.on('error', () => undefined).on('close', () => other.destroy());
  });
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    refused: () => refused,
    close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  };
}

/** Asks a server for an upgrade of its tunnel path. @returns the status, `code` of a refusal, and the connection after a 101 */
export function askPlainUpgrade(
  url: string,
  protocol: string,
  token?: string,
): Promise<{ status: number; code?: string; socket?: Socket }> {
  const headers = {
    connection: 'Upgrade',
    upgrade: protocol,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  return new Promise((done, failed) => {
    const sent = httpRequest(`${url}${TUNNEL.path}`, { headers, agent: false });
    sent.once('upgrade', (_answer, socket: Socket, head: Buffer) => {
      // What the server has said already comes first.
      socket.unshift(head);
      done({ status: 101, socket: socket.on('error', () => undefined) });
    });
    sent.once('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => done({ status: answer.statusCode!, code: (JSON.parse(text) as { code: string }).code }));
    });
    sent.once('error', failed).end();
  });
}
