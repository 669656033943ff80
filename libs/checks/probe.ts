import { request } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { AGENT_LIMITS, type AgentHealthCheck } from '../contracts/index.js';

export interface Place {
  host: string;
  port: number;
}

/** Opens a connection, to where it may. @throws NotDialed; Error with a sentence for people; the signal's reason */
export type Dial = (to: Place, signal: AbortSignal) => Promise<Socket>;

/** What is not to be dialed at all: a redirect there is not followed. */
export class NotDialed extends Error {
  override readonly name = 'NotDialed';
}

/** How certificates of targets are judged; absent: any will do, as with newt. */
export interface Authorities {
  ca: string[];
}

export const CHECK_DEFAULTS = { interval: 30, unhealthyInterval: 30, timeout: 5 } as const;
const MODES = ['http', 'https', 'tcp'];
const REDIRECTS = 10;
const REDIRECT_STATUS = [301, 302, 303, 307, 308];
const MAX_SECONDS = 86_400;

export const milliseconds = (seconds: number): number => Math.min(seconds, MAX_SECONDS) * 1000;

/** Whether this version knows how to check so. */
export const canCheck = ({ mode }: AgentHealthCheck): boolean => MODES.includes(mode);

/**
 * Looks at a target once (docs/health.md rule 2), within the timeout of its check. A redirect to what is not to be dialed is an answer like any other.
 * @returns why it is not healthy, or undefined
 */
export async function probe(
  check: AgentHealthCheck,
  dial: Dial,
  authorities: Authorities | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const seconds = check.timeout ?? CHECK_DEFAULTS.timeout;
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(new Error(`no answer within ${seconds} s`)), milliseconds(seconds));
  const stop = () => over.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    return await new Look(check, dial, authorities, over.signal).outcome();
  } catch (error) {
    return said(over.signal.aborted ? over.signal.reason : error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    // What was opened for it, answered or not, is not needed any more.
    over.abort();
  }
}

type Server = Place & { isSecure: boolean };

interface Answer {
  status: number;
  location: string | undefined;
}

/** One look: its connections end with the signal. */
class Look {
  constructor(
    private readonly check: AgentHealthCheck,
    private readonly dial: Dial,
    private readonly authorities: Authorities | undefined,
    private readonly signal: AbortSignal,
  ) {}

  async outcome(): Promise<string | undefined> {
    const { host, port, mode, scheme, path = '/' } = this.check;
    if (mode === 'tcp') {
      await this.connected({ host, port });
      return undefined;
    }
    const isSecure = mode === 'https' || scheme?.toLowerCase() === 'https';
    return this.http({ host, port, isSecure }, path.startsWith('/') ? path : `/${path}`);
  }

  private async http(first: Server, path: string): Promise<string | undefined> {
    let method = this.check.method?.toUpperCase() ?? 'GET';
    let answer = await this.ask(first, method, path);
    let asked: URL | string = urlOf(first, path);
    for (let followed = 0; this.check.followRedirects !== false && followed < REDIRECTS; followed++) {
      const next = redirectOf(answer, asked);
      if (!next) break;
      // As browsers and newt do: another place is asked for with GET.
      if (answer.status < 307 && method !== 'HEAD') method = 'GET';
      try {
        answer = await this.ask(serverOf(next), method, `${next.pathname}${next.search}`);
      } catch (error) {
        if (error instanceof NotDialed) break;
        throw error;
      }
      asked = next;
    }
    return isGood(answer.status, this.check.status) ? undefined : `answered ${answer.status}`;
  }

  private async ask({ isSecure, ...to }: Server, method: string, path: string): Promise<Answer> {
    const { host, port, headers = [] } = this.check;
    // Headers and server name of the check are for nobody else.
    const own = to.host.toLowerCase() === host.toLowerCase() && to.port === port;
    const socket = isSecure ? await this.encrypted(to, own) : await this.connected(to);
    return new Promise((done, failed) => {
      const sent = request({
        ...to,
        defaultPort: isSecure ? 443 : 80,
        method,
        path,
        headers: own ? Object.fromEntries(headers.map(({ name, value }) => [name, value])) : {},
        createConnection: () => socket,
        signal: this.signal,
      });
      sent.on('response', (response) => {
        // The body is nobody's business.
        response.on('error', () => undefined);
        socket.destroy();
        done({ status: response.statusCode ?? 0, location: response.headers.location });
      });
      sent.on('error', failed);
      sent.end();
    });
  }

  private async encrypted(to: Place, own: boolean): Promise<Socket> {
    const socket = await this.connected(to);
    const name = (own ? this.check.tlsServerName : undefined) ?? to.host;
    const secure = tlsConnect({
      socket,
      host: name,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: this.authorities !== undefined,
      ...this.authorities,
      ...(isIP(name) ? {} : { servername: name }),
    });
    secure.on('error', () => undefined);
    await this.unlessOver(
      new Promise<void>((done, failed) => {
        secure.once('secureConnect', done);
        secure.once('error', failed);
        secure.once('close', () => failed(new Error('the connection was closed before TLS began')));
      }),
    );
    return secure;
  }

  private async connected(to: Place): Promise<Socket> {
    const dialed = this.dial(to, this.signal).then((socket) => {
      socket.on('error', () => undefined);
      const end = () => socket.destroy();
      this.signal.addEventListener('abort', end, { once: true });
      socket.once('close', () => this.signal.removeEventListener('abort', end));
      if (this.signal.aborted) end();
      return socket;
    });
    return this.unlessOver(dialed);
  }

  /** Names are looked up by the system, which no signal ends. */
  private async unlessOver<Result>(work: Promise<Result>): Promise<Result> {
    let end: (() => void) | undefined;
    const over = new Promise<never>((_, failed) => {
      end = () => failed(this.signal.reason);
      this.signal.addEventListener('abort', end, { once: true });
    });
    try {
      return await Promise.race([work, over]);
    } finally {
      this.signal.removeEventListener('abort', end!);
    }
  }
}

/** Without an expected status, or with 0, which is any of 2xx. */
const isGood = (status: number, wanted: number | undefined): boolean =>
  wanted === undefined
    ? status >= 200 && status < 400
    : wanted === 0
      ? status >= 200 && status < 300
      : status === wanted;

function urlOf({ host, port, isSecure }: Server, path: string): string {
  return `${isSecure ? 'https' : 'http'}://${isIP(host) === 6 ? `[${host}]` : host}:${port}${path}`;
}

function serverOf(url: URL): Server {
  const isSecure = url.protocol === 'https:';
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port) || (isSecure ? 443 : 80),
    isSecure,
  };
}

function redirectOf({ status, location }: Answer, from: URL | string): URL | undefined {
  if (location === undefined || !REDIRECT_STATUS.includes(status) || !URL.canParse(location, String(from)))
    return undefined;
  const to = new URL(location, from);
  return to.protocol === 'http:' || to.protocol === 'https:' ? to : undefined;
}

/** In one line that fits a report. What is wrong with a certificate, or with bytes that are no HTTP, the message says. */
function said(error: unknown): string {
  const { message } = error as Error;
  const text = message.includes('ECONNREFUSED')
    ? 'nobody listens there'
    : message.includes('ECONNRESET') || message === 'socket hang up'
      ? 'the connection broke'
      : message;
  return (text || 'failed').replace(/[\x00-\x1f\x7f]+/g, ' ').slice(0, AGENT_LIMITS.healthErrorLength);
}
