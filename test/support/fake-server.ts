import { randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import { AGENT_PATHS, type ClaimRequest, type Envelope, type TokenRequest } from '#contracts';

export type Reply = {
  status: number;
  body?: unknown;
  headers?: Record<string, string> /** Cut the connection instead of answering. */;
  cut?: boolean;
};
export type FakeRequest = {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  text: string;
  /** SHA-256 of the client certificate, as node:tls writes it. */
  certificate?: string | undefined;
};
type Site = { newtId: string; secrets: string[]; nonce?: string; hardwareId?: string; name?: string };

export const KEY = 'spk_testtesttest.Zm9vYmFyYmF6cXV4MDEyMzQ1Njc4OWFiY2RlZg';

/** One session of an agent, with every frame it sent. */
export class FakeSession {
  readonly received: Envelope[] = [];
  closed: { code: number } | undefined;
  constructor(
    readonly socket: WebSocket,
    readonly request: IncomingMessage,
    changed: () => void,
  ) {
    socket.on('message', (data) => {
      this.received.push(JSON.parse(data.toString()) as Envelope);
      changed();
    });
    socket.on('close', (code) => {
      this.closed = { code };
      changed();
    });
    socket.on('error', () => undefined);
  }

  send(type: string, data: unknown): void {
    this.socket.send(JSON.stringify({ type, data, configVersion: 1 }));
  }

  of(type: string): unknown[] {
    return this.received.filter((message) => message.type === type).map((message) => message.data);
  }

  welcome(change: Record<string, unknown> = {}): void {
    this.send('agent/welcome', {
      protocol: 1,
      siteId: 7,
      niceId: 'calm-otter-x1y2z',
      status: 'approved',
      serverVersion: '1.13.0',
      heartbeatSeconds: 30,
      ...change,
    });
  }
}

/**
 * A stand-in for the server's side of the agent's wire, on loopback: claims by rules 4 and 5 of docs/claims.md, get-token, sessions.
 * A test replaces an answer by putting a function into `on`.
 */
export class FakeServer {
  /** What a claim must present. */
  provisioningKey = KEY;
  readonly claims: ClaimRequest[] = [];
  readonly tokenRequests: TokenRequest[] = [];
  readonly sessions: FakeSession[] = [];
  readonly paths: string[] = [];
  readonly headers: IncomingHttpHeaders[] = [];
  readonly sites: Site[] = [];
  readonly files = new Map<string, string | Buffer>();
  on: {
    claim?: (request: ClaimRequest, granted: () => Reply) => Reply;
    token?: (request: TokenRequest, granted: () => Reply) => Reply;
    upgrade?: (request: IncomingMessage) => Reply | undefined;
    session?: (session: FakeSession) => void;
    /** Every other path; undefined for the 404. */
    other?: (request: FakeRequest) => Reply | undefined | Promise<Reply | undefined>;
  } = {};
  private readonly tokens = new Map<string, string>();
  private readonly watchers = new Set<() => void>();
  private readonly sockets = new WebSocketServer({ noServer: true });

  private constructor(
    private readonly server: Server,
    private readonly scheme: string,
  ) {
    server.on('request', (request, response) => {
      this.paths.push(`${request.method} ${request.url}`);
      this.headers.push(request.headers);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const file = request.method === 'GET' ? this.files.get(request.url ?? '') : undefined;
        const { method = '', url = '', headers } = request;
        const text = Buffer.concat(chunks).toString();
        const answering = async () => {
          const certificate = (request.socket as Partial<TLSSocket>).getPeerCertificate?.().fingerprint256;
          const reply = file === undefined ? await this.answer({ method, url, headers, text, certificate }) : undefined;
          if (reply?.cut) request.socket.destroy();
          else if (reply?.status === 204 || reply?.status === 304)
            response.writeHead(reply.status, reply.headers).end();
          else if (reply) {
            const body = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? null);
            response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers }).end(body);
          } else response.end(file);
          this.changed();
        };
        void answering();
      });
    });
    server.on('upgrade', (request, socket, head) => {
      this.paths.push(`UPGRADE ${request.url}`);
      this.headers.push(request.headers);
      socket.on('error', () => undefined);
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
      const refusal = this.on.upgrade?.(request) ?? (token && this.tokens.delete(token) ? undefined : { status: 401 });
      if (refusal) {
        const headers = Object.entries({ connection: 'close', ...refusal.headers }).map(
          ([name, value]) => `${name}: ${value}\r\n`,
        );
        socket.end(`HTTP/1.1 ${refusal.status} Refused\r\n${headers.join('')}\r\n${String(refusal.body ?? '')}`);
        return this.changed();
      }
      this.sockets.handleUpgrade(request, socket, head, (accepted) => {
        const session = new FakeSession(accepted, request, () => this.changed());
        this.sessions.push(session);
        this.on.session?.(session);
        this.changed();
      });
    });
  }

  static async start(tls?: ServerOptions): Promise<FakeServer> {
    const server = tls ? (createTlsServer(tls) as unknown as Server) : createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FakeServer(server, tls ? 'https' : 'http');
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    for (const { socket } of this.sessions) socket.terminate();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Resolves as soon as the condition holds; looked at whenever something arrives. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        const watcher = () => {
          this.watchers.delete(watcher);
          resolve();
        };
        this.watchers.add(watcher);
      });
    }
  }

  /** The n-th session (from 1), after its hello. */
  async session(n = 1): Promise<FakeSession> {
    await this.until(() => (this.sessions[n - 1]?.of('agent/hello').length ?? 0) > 0);
    return this.sessions[n - 1] as FakeSession;
  }

  private changed(): void {
    for (const watcher of [...this.watchers]) watcher();
  }

  private async answer(asked: FakeRequest): Promise<Reply> {
    const { url, text } = asked;
    if (url === AGENT_PATHS.register) {
      const request = JSON.parse(text) as ClaimRequest;
      this.claims.push(request);
      const granted = () => this.grant(request);
      return this.on.claim ? this.on.claim(request, granted) : granted();
    }
    if (url === AGENT_PATHS.getToken) {
      const request = JSON.parse(text) as TokenRequest;
      this.tokenRequests.push(request);
      const granted = () => this.token(request);
      return this.on.token ? this.on.token(request, granted) : granted();
    }
    return (await this.on.other?.(asked)) ?? { status: 404, body: envelopeError(404, 'not_found', 'Not found') };
  }

  private grant(request: ClaimRequest): Reply {
    if (request.provisioningKey !== this.provisioningKey) return refusedClaim();
    const known = this.sites.find((site) => site.hardwareId !== undefined && site.hardwareId === request.hardwareId);
    if (known && known.nonce !== request.claimNonce) return envelope(200, { newtId: known.newtId, secret: '' });
    const site: Site = known ?? { newtId: randomBytes(8).toString('hex').slice(0, 15), secrets: [] };
    if (!known) {
      Object.assign(
        site,
        request.hardwareId && { hardwareId: request.hardwareId },
        request.claimNonce && { nonce: request.claimNonce },
        request.name && { name: request.name },
      );
      this.sites.push(site);
    }
    const secret = randomBytes(24).toString('hex');
    site.secrets.push(secret);
    return envelope(201, { newtId: site.newtId, secret });
  }

  private token(request: TokenRequest): Reply {
    const site = this.sites.find((one) => one.newtId === request.newtId && one.secrets.includes(request.secret));
    if (!site) return unusableCredential();
    site.secrets = [request.secret];
    return this.newToken(site.newtId);
  }

  /** The answer of get-token to who has proved a credential. */
  newToken(id: string): Reply {
    const token = randomBytes(12).toString('hex');
    this.tokens.set(token, id);
    return envelope(200, { token, serverVersion: '1.13.0' });
  }
}

export function envelope(status: number, data: unknown): Reply {
  return { status, body: { data, success: true, error: false, message: 'ok', status } };
}

export function envelopeError(status: number, code: string, message: string): Record<string, unknown> {
  return { data: null, success: false, error: true, message, status, stack: null, code };
}

export function refusedClaim(): Reply {
  return { status: 401, body: envelopeError(401, 'invalid_provisioning_key', 'Invalid provisioning key') };
}

export function unusableCredential(data: object | null = null): Reply {
  return { status: 401, body: { ...envelopeError(401, 'credential_unusable', 'Credential unusable'), data } };
}

/** Of one that has expired and may be renewed (docs/agent-protocol.md rule 49). */
export function expiredCredential(): Reply {
  return unusableCredential({ renewable: true });
}
