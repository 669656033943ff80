import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { WebSocket } from 'ws';
import { AGENT_PATHS, CLIENT_TYPE } from '../../../contracts/index.js';
import type { Credential } from '../credential/credential.js';
import { AGENT_VERSION } from '../version.js';
import { proxyFor } from './proxy.js';
import type { TlsOptions } from './tls.js';

const HTTP_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_STATE_BYTES = 64 * 1024 * 1024;
const MAX_REDIRECTS = 3;

/** An answer of the server. `body` is undefined when it was not JSON, `date` (milliseconds) when it had no clock. */
export type ServerResponse = {
  status: number;
  body: unknown;
  retryAfter: string | string[] | undefined;
  date?: number | undefined;
};

export type ServerRequest = {
  method: 'GET' | 'POST';
  path: string;
  headers?: http.OutgoingHttpHeaders;
  body?: unknown;
  /** Of the answer. */
  maxBytes?: number;
};
export type RawResponse = { status: number; headers: http.IncomingHttpHeaders; text: string };

/** The answer to an upgrade: 101 and its socket, or another one whose body is still to be read. */
export type Upgraded = { response: http.IncomingMessage; socket?: Socket; head: Buffer };

/** No usable answer: name not found, refused, timed out, TLS, a redirect elsewhere. Worth another try. */
export class NetworkFailure extends Error {
  constructor(
    message: string,
    readonly retryAfter?: string | string[],
  ) {
    super(message);
    this.name = 'NetworkFailure';
  }
}

/** The one way to the server, for requests and websocket alike: same TLS, same proxy, same endpoint. */
export class ServerLink {
  private readonly proxies = new Map<string, HttpsProxyAgent<string>>();

  constructor(
    private endpoint: URL,
    private readonly tls: TlsOptions,
    private readonly env: NodeJS.ProcessEnv,
    private readonly timeoutMs = HTTP_TIMEOUT_MS,
  ) {
    this.agentFor(endpoint); // a wrong proxy URL is said at the start
  }

  /** The same way with the certificate of a credential, where it is one. */
  as({ secret, certificate }: Credential): ServerLink {
    if (certificate === undefined) return this;
    return new ServerLink(this.endpoint, { ...this.tls, cert: certificate, key: secret }, this.env, this.timeoutMs);
  }

  /** The same way to another endpoint of the server. */
  to(endpoint: URL): ServerLink {
    return new ServerLink(endpoint, this.tls, this.env, this.timeoutMs);
  }

  /** Whether it is `https://`. */
  get isEncrypted(): boolean {
    return this.endpoint.protocol === 'https:';
  }

  /** POSTs JSON. @throws NetworkFailure */
  async post(
    path: string,
    body: unknown,
    signal: AbortSignal,
    headers: http.OutgoingHttpHeaders = {},
  ): Promise<ServerResponse> {
    return json(await this.request({ method: 'POST', path, headers, body }, signal));
  }

  /**
   * A redirect to the same host is followed, and remembered when it leads to https; any other is a NetworkFailure.
   * @throws NetworkFailure
   */
  async request({ path, ...request }: ServerRequest, signal: AbortSignal): Promise<RawResponse> {
    let url = this.at(path);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const response = await this.send(url, request, signal);
      const location = response.headers.location;
      if (response.status < 300 || response.status > 399 || location === undefined) return response;
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      const downgrade = url.protocol === 'https:' && next?.protocol !== 'https:';
      if (!next || next.hostname !== url.hostname || downgrade)
        throw new NetworkFailure(`redirected to ${next?.host ?? 'nowhere'}; a captive portal?`);
      if (next.protocol === 'https:' && url.protocol === 'http:' && next.pathname === url.pathname) {
        this.endpoint = new URL(next.origin + this.endpoint.pathname);
      }
      url = next;
    }
    throw new NetworkFailure('redirected too often');
  }

  /** Opens the session's websocket. */
  openSession(token: string): WebSocket {
    return this.openWebSocket(AGENT_PATHS.websocket, token, { clientType: CLIENT_TYPE });
  }

  /** Opens a websocket; the token travels in a header so that it stays out of access logs. */
  openWebSocket(path: string, token: string, query: Record<string, string> = {}): WebSocket {
    const url = this.at(path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const agent = this.agentFor(url);
    return new WebSocket(url, {
      ...this.tls,
      headers: { authorization: `Bearer ${token}`, 'user-agent': `gatehouse-agent/${AGENT_VERSION}` },
      handshakeTimeout: this.timeoutMs,
      perMessageDeflate: false,
      maxPayload: MAX_STATE_BYTES,
      followRedirects: false,
      ...(agent ? { agent } : {}),
    });
  }

  /** Asks to upgrade a connection to another protocol. @throws NetworkFailure; the signal's reason */
  upgrade(path: string, protocol: string, token: string, signal: AbortSignal): Promise<Upgraded> {
    const url = this.at(path);
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? https : http).request(url, {
        ...this.tls,
        headers: {
          connection: 'Upgrade',
          upgrade: protocol,
          authorization: `Bearer ${token}`,
          'user-agent': `gatehouse-agent/${AGENT_VERSION}`,
        },
        agent: this.agentFor(url) ?? false,
      });
      const fail = (error: Error) => request.destroy(error);
      const abort = () => fail(signal.reason as Error);
      const timer = setTimeout(() => fail(new Error(`no answer within ${this.timeoutMs / 1000} s`)), this.timeoutMs);
      const settle = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
      };
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      request.on('error', (error) => {
        settle();
        reject(signal.aborted ? signal.reason : new NetworkFailure(describe(error)));
      });
      request.once('upgrade', (response, socket: Socket, head) => {
        settle();
        resolve({ response, socket, head });
      });
      request.once('response', (response) => {
        settle();
        resolve({ response, head: Buffer.alloc(0) });
      });
      request.end();
    });
  }

  private at(path: string): URL {
    const url = new URL(this.endpoint.href);
    url.pathname = `${url.pathname.replace(/\/+$/, '')}${path}`;
    return url;
  }

  private send(
    url: URL,
    { method, headers, body, maxBytes = MAX_ANSWER_BYTES }: Omit<ServerRequest, 'path'>,
    signal: AbortSignal,
  ): Promise<RawResponse> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const within = AbortSignal.timeout(this.timeoutMs);
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        if (signal.aborted) reject(signal.reason);
        else
          reject(new NetworkFailure(within.aborted ? `no answer within ${this.timeoutMs / 1000} s` : describe(error)));
      };
      const request = (url.protocol === 'https:' ? https : http).request(url, {
        ...this.tls,
        method,
        signal: AbortSignal.any([signal, within]),
        headers: {
          ...(text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
          accept: 'application/json',
          'user-agent': `gatehouse-agent/${AGENT_VERSION}`,
          'x-csrf-token': 'x-csrf-protection',
          ...headers,
        },
        // A kept connection may be dead by the next request, minutes later, and look like an unreachable server.
        agent: this.agentFor(url) ?? false,
      });
      request.on('error', fail);
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > maxBytes) response.destroy(new Error('the answer is too long'));
          else chunks.push(chunk);
        });
        response.on('error', fail);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      });
      request.end(text);
    });
  }

  private agentFor(url: URL): HttpsProxyAgent<string> | undefined {
    const proxy = proxyFor(url, this.env);
    if (!proxy) return undefined;
    let agent = this.proxies.get(proxy.href);
    if (!agent) this.proxies.set(proxy.href, (agent = new HttpsProxyAgent<string>(proxy.href)));
    return agent;
  }
}

/** An answer read as JSON. */
export function json({ status, headers, text }: RawResponse): ServerResponse {
  const date = Date.parse(headers.date ?? '');
  return {
    status,
    body: parseJson(text),
    retryAfter: headers['retry-after'],
    date: Number.isNaN(date) ? undefined : date,
  };
}

/** A system error in words; an aggregate (IPv4 and IPv6 both failed) tells its first. */
export function describe(error: unknown): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0].message;
  return error instanceof Error ? error.message || error.name : String(error);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
