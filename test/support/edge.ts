import http, { type IncomingMessage, type RequestOptions } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { EdgeListener } from '../../src/edge/index.js';
import { TunnelRegistry } from '../../src/edge/tunnels/tunnel-registry.js';
import { TestOrg } from './api.js';
import type { TestDatabase } from './database.js';
import { publicResource } from './public-resource.js';
import { until } from './server.js';
import { openTestApp, type TestApp } from './test-app.js';
import { TunnelAgent, usable } from './tunnels.js';

/** A web server on loopback: what stands behind an agent. */
export class WebTarget {
  readonly sockets = new Set<Socket>();
  /** Requests that came, in order. */
  readonly requests: { method: string; url: string; rawHeaders: string[]; body: Buffer }[] = [];

  private constructor(
    readonly server: http.Server,
    readonly port: number,
  ) {}

  /** @param answer called with each request, once its body is whole */
  static async start(
    answer: (request: IncomingMessage, response: http.ServerResponse, body: Buffer) => void,
  ): Promise<WebTarget> {
    const server = http.createServer({ keepAliveTimeout: 60_000 });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const target = new WebTarget(server, (server.address() as AddressInfo).port);
    server.on('connection', (socket) => {
      target.sockets.add(socket);
      socket.on('close', () => target.sockets.delete(socket));
    });
    server.on('request', (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts);
        target.requests.push({ method: request.method!, url: request.url!, rawHeaders: request.rawHeaders, body });
        answer(request, response, body);
      });
    });
    return target;
  }

  get last() {
    return this.requests.at(-1)!;
  }

  /** The values of a field of the last request, by its name in any case. */
  lastField(name: string): string[] {
    return this.last.rawHeaders.filter((_, i, all) => i % 2 === 1 && all[i - 1]!.toLowerCase() === name);
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  rawHeaders: string[];
  text: string;
  trailers: NodeJS.Dict<string>;
  /** Whether it ended before it was whole. */
  cut: boolean;
}

/** The server in this process with its edge, an organization, a site and its agent, the program. */
export class TestEdge {
  readonly agents: TunnelAgent[] = [];
  private serial = 0;

  private constructor(
    readonly app: TestApp,
    readonly org: TestOrg,
    readonly port: number,
    readonly registry: TunnelRegistry,
  ) {}

  /**
   * @param org what its organization has of its own
   * @param database as of a test app
   */
  static async start(
    env: Record<string, string> = {},
    org: { orgId?: string } = {},
    database?: TestDatabase,
  ): Promise<TestEdge> {
    const app = await openTestApp({ BASE_DOMAIN: 'gate.example.net', ...env }, database);
    const port = await app.get(EdgeListener).listen();
    return new TestEdge(app, await TestOrg.create(app.root, org), port!, app.get(TunnelRegistry));
  }

  /** A site whose agent keeps its tunnels. */
  async site(args: string[] = []): Promise<{ siteId: number; agent: TunnelAgent }> {
    const { siteId, newtId, secret } = await this.app.root.expect<{ siteId: number; newtId: string; secret: string }>(
      'PUT',
      this.org.path('site'),
      { name: 'site', type: 'newt' },
    );
    const agent = new TunnelAgent(['--endpoint', this.app.root.url, '--id', newtId, '--secret', secret, ...args]);
    this.agents.push(agent);
    agent.start();
    await usable(this.registry, siteId);
    return { siteId, agent };
  }

  /** A public resource that needs no login. @returns its id and host */
  resource(more: object = {}): Promise<{ resourceId: number; host: string }> {
    return publicResource(this.app.root, this.org, `r${++this.serial}`, more);
  }

  /** @returns its id */
  async target(resourceId: number, siteId: number, port: number, more: object = {}): Promise<number> {
    const { targetId } = await this.app.root.expect<{ targetId: number }>('PUT', `/resource/${resourceId}/target`, {
      siteId,
      ip: '127.0.0.1',
      port,
      method: 'http',
      ...more,
    });
    return targetId;
  }

  /** A resource with one target, once it is served. */
  async publish(siteId: number, port: number, more: object = {}, target: object = {}): Promise<string> {
    const { resourceId, host } = await this.resource(more);
    await this.target(resourceId, siteId, port, target);
    await this.serves(host);
    return host;
  }

  /** Waits until requests to a host reach a target. */
  async serves(host: string, path = '/'): Promise<void> {
    await until(async () => (await this.get(host, path)).status === 200);
  }

  get = (host: string, path = '/', options: RequestOptions = {}) => this.ask(host, { path, ...options });

  /** One request over a connection of its own, unless `agent` says otherwise. */
  ask(host: string, { headers, ...options }: RequestOptions, body?: string | Buffer): Promise<Answer> {
    return new Promise((done, failed) => {
      const sent = http.request(
        { host: '127.0.0.1', port: this.port, agent: false, headers: { host, ...(headers as object) }, ...options },
        (answer) => {
          const parts: Buffer[] = [];
          const end = (cut: boolean) =>
            done({
              status: answer.statusCode!,
              headers: answer.headers,
              rawHeaders: answer.rawHeaders,
              text: Buffer.concat(parts).toString(),
              trailers: answer.trailers,
              cut,
            });
          answer.on('data', (part: Buffer) => parts.push(part));
          answer.on('end', () => end(!answer.complete)).on('error', () => end(true));
        },
      );
      sent.on('error', failed);
      sent.end(body);
    });
  }

  /** Sends bytes as they are. @returns all that came back until the connection ended */
  raw(bytes: string | Buffer): Promise<string> {
    return new Promise((done) => {
      const socket = connect(this.port, '127.0.0.1');
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
      socket.on('error', () => undefined).on('close', () => done(text));
      socket.write(bytes);
    });
  }

  async close(): Promise<void> {
    for (const agent of this.agents) await agent.remove();
    await this.app.close();
  }
}
