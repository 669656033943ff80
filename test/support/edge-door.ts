import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { EdgeAccess } from '../../src/edge/access/edge-access.js';
import type { EdgeRequest, Granted } from '../../src/edge/access/edge-request.js';
import { type EdgeAnswer, edgeAnswer, wantsPage } from '../../src/edge/http/error-pages.js';
import { OWN_PATH } from '../../src/edge/http/own-names.js';
import { parseHost } from '../../src/edge/routing/host-table.js';
import { parsePath } from '../../src/edge/routing/path.js';
import { RouteTable } from '../../src/edge/routing/route-table.js';
import type { StartedApp } from './app.js';

/** Says whence a request of a test comes. */
const CLIENT = 'x-test-client';

/** Asks `EdgeAccess` about each request, and answers with what it said: a listener in place of the edge, for tests of who may pass. */
export class EdgeDoor {
  private requests = 0;
  /** Whether the last request was decided without waiting. */
  wasAtOnce = false;

  private constructor(
    private readonly server: Server,
    private readonly access: EdgeAccess,
    private readonly table: RouteTable,
  ) {}

  static async open({ app }: StartedApp): Promise<EdgeDoor> {
    const server = createServer();
    const door = new EdgeDoor(server, app.get(EdgeAccess), app.get(RouteTable));
    server.on('request', (asked, answer) => void door.handle(asked, answer));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return door;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async handle(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const requestId = `r${++this.requests}`;
    const { method = '', headers, rawHeaders } = asked;
    const page = wantsPage(method, headers.accept);
    const [host, path] = [parseHost(headers.host ?? ''), parsePath(asked.url ?? '')];
    const route = host && this.table.find(host.name);
    if (!route || !path) return write(answer, edgeAnswer('unknown_host', requestId, page));
    const request: EdgeRequest = {
      route,
      scheme: 'http',
      host: headers.host!,
      method,
      path: path.path,
      query: path.query,
      rawHeaders,
      client: String(headers[CLIENT] ?? '127.0.0.1'),
      requestId,
      page,
    };
    if (path.path.startsWith(OWN_PATH)) return write(answer, await this.access.own(request, await buffer(asked)));
    const decided = this.access.decide(request);
    this.wasAtOnce = !(decided instanceof Promise);
    const granted = await decided;
    if ('status' in granted) write(answer, granted);
    else passed(answer, granted, path.path);
  }
}

function write(answer: ServerResponse, { status, fields, body }: EdgeAnswer): void {
  answer.writeHead(status, fields);
  answer.end(body);
}

/** `/stream` goes on until what let it in has ended. */
function passed(answer: ServerResponse, granted: Granted, path: string): void {
  const { onEnd, ...said } = granted;
  answer.writeHead(200, { 'content-type': 'application/json' });
  if (path !== '/stream') return void answer.end(JSON.stringify(said));
  answer.flushHeaders();
  answer.on(
    'close',
    onEnd(() => answer.destroy()),
  );
}

export interface DoorReply {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A browser, or a program: it keeps cookies by host, and follows nothing by itself. */
export class Visitor {
  readonly jars = new Map<string, Map<string, string>>();

  /** @param client whence it comes */
  constructor(private readonly client = '127.0.0.1') {}

  /** @param host with or without a port, which is then asked for by name */
  async send(
    door: EdgeDoor,
    host: string,
    path = '/',
    { method = 'GET', headers = {}, form }: { method?: string; headers?: object; form?: Record<string, string> } = {},
  ): Promise<DoorReply> {
    const reply = await this.ask(door, host, path, { method: form ? 'POST' : method, headers, form });
    return { status: reply.statusCode!, headers: reply.headers, body: await text(reply) };
  }

  /** As a browser looks at an address. */
  open(door: EdgeDoor, host: string, path = '/'): Promise<DoorReply> {
    return this.send(door, host, path, { headers: { accept: 'text/html' } });
  }

  submit(door: EdgeDoor, host: string, page: string, form: Record<string, string>, headers = {}): Promise<DoorReply> {
    return this.send(door, host, OWN_PATH + page, { form, headers: { accept: 'text/html', ...headers } });
  }

  /** @returns something that goes on, and whether it was cut */
  async stream(door: EdgeDoor, host: string, headers = {}): Promise<{ isCut: () => boolean; end: () => void }> {
    const reply = await this.ask(door, host, '/stream', { method: 'GET', headers });
    if (reply.statusCode !== 200) throw new Error(`stream: ${reply.statusCode}`);
    let cut = false;
    reply.on('error', () => undefined);
    reply.on('close', () => (cut = true));
    reply.resume();
    return { isCut: () => cut, end: () => reply.destroy() };
  }

  cookies(host: string): Map<string, string> {
    const name = host.split(':', 1)[0]!;
    const jar = this.jars.get(name) ?? new Map<string, string>();
    this.jars.set(name, jar);
    return jar;
  }

  private async ask(
    door: EdgeDoor,
    host: string,
    path: string,
    { method, headers, form }: { method: string; headers: object; form?: Record<string, string> },
  ): Promise<IncomingMessage> {
    const jar = this.cookies(host);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const body = form && new URLSearchParams(form).toString();
    const asked = request({
      port: door.port,
      host: '127.0.0.1',
      path,
      method,
      agent: false,
      headers: {
        host,
        [CLIENT]: this.client,
        ...(cookie ? { cookie } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...headers,
      },
    });
    asked.end(body);
    const [reply] = (await once(asked, 'response')) as [IncomingMessage];
    for (const set of reply.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!;
      if (/Max-Age=0(?:;|$)/.test(set)) jar.delete(name!);
      else jar.set(name!, value!);
    }
    return reply;
  }
}
