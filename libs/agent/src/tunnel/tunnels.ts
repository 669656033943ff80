import type { ServerHttp2Session } from 'node:http2';
import { type AgentTunnel, TUNNEL } from '../../../contracts/index.js';
import type { AgentContext } from '../context.js';
import type { OwnCredential } from '../credential/own-credential.js';
import { afterAtLeast, backoff, type Range, retryAfterMs, uniform } from '../session/backoff.js';
import type { SessionFeature } from '../session/feature.js';
import { describe, type ServerLink } from '../session/server-link.js';
import type { SessionEnd } from '../session/session.js';
import { CredentialRefused, tokenOnce } from '../session/token.js';
import type { Allowed } from './allowed.js';
import { DialPolicy } from './dial-policy.js';
import { type Dialed, dial, TRANSPORTS, type Transport, TunnelRefused } from './tunnel-dial.js';
import { TunnelStreams } from './tunnel-streams.js';

const FIRST_WAIT: Range = { min: 100, max: 200 };
const LOST_BACKOFF: Range = { min: 200, max: 30_000 };
const REFUSED_BACKOFF: Range = { min: 5_000, max: 300_000 };
/** A connection that lasted this long makes the next failure the first one again. */
const STEADY_MS = 10_000;
/** One token begins all connections that are dialed within this time; it lives five minutes. */
const TOKEN_MS = 120_000;
const NO_LISTS = { targets: [], healthChecks: [], resources: [] };

/** Where to dial, and with what. */
type Way = { link: ServerLink; token: string };

/**
 * The tunnels of this agent (docs/tunnel.md rules 3 to 5): as many connections as the welcome says, for as long as the site is approved. Each comes back by
 * itself when it is lost. They outlive the session, unless that was replaced or its site is over.
 */
export class Tunnels {
  private readonly streams: TunnelStreams;
  private wanted: AgentTunnel | undefined;
  private isApproved = false;
  /** What the server lists is known: before that a stream would be refused. */
  private hasLists = false;
  private running: { connections: number; over: AbortController } | undefined;
  /** Ends the waits of lost connections: the server answers. */
  private nudge = new AbortController();
  private transport: Transport = TRANSPORTS[0];
  /** By slot, the server process that it leads to. */
  private readonly servers = new Map<number, string>();
  private readonly sessions = new Set<ServerHttp2Session>();
  private token: { way: Promise<Way>; at: number } | undefined;

  /** @param allowed what the operator of the machine has the tunnel lead to; none: what the server lists */
  constructor(
    private readonly context: AgentContext,
    private readonly credential: OwnCredential,
    allowed: readonly Allowed[],
  ) {
    this.streams = new TunnelStreams(new DialPolicy(allowed));
  }

  readonly feature: SessionFeature = {
    welcomed: ({ tunnel, status }) => {
      this.wanted = tunnel;
      this.isApproved = status === 'approved';
      this.adjust();
      this.nudge.abort();
      this.nudge = new AbortController();
    },
    apply: async ({ status, targets = [], healthChecks = [], resources = [] }) => {
      this.isApproved = status === 'approved';
      this.streams.apply(this.isApproved ? { targets, healthChecks, resources } : NO_LISTS);
      this.hasLists = true;
      this.adjust();
    },
  };

  /** A session has ended: with the site of one that was taken over or is over go its tunnels. */
  sessionEnded({ kind }: SessionEnd): void {
    if (kind === 'replaced' || kind === 'revoked') this.close();
  }

  /** Ends all connections, until a session is welcomed again. */
  close(): void {
    this.wanted = undefined;
    this.adjust();
  }

  private adjust(): void {
    const { context } = this;
    const connections =
      this.isApproved && this.hasLists && !context.signal.aborted ? (this.wanted?.connections ?? 0) : 0;
    if (connections === (this.running?.connections ?? 0)) return;
    this.running?.over.abort(new Error('the tunnel is not wanted any more'));
    for (const session of this.sessions) session.destroy();
    this.running = undefined;
    if (connections === 0) return;
    const over = new AbortController();
    this.running = { connections, over };
    const signal = AbortSignal.any([over.signal, context.signal]);
    signal.addEventListener('abort', () => {
      for (const session of this.sessions) session.destroy();
    });
    for (let slot = 1; slot <= connections; slot++) void this.keep(slot, signal);
  }

  /** Keeps one connection until the signal. */
  private async keep(slot: number, signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.context;
    for (let failures = 0; !signal.aborted; failures++) {
      const began = clock.uptime();
      const { detail, wait } = await this.once(slot, signal).then(
        () => ({ detail: 'lost', wait: undefined }),
        (error: unknown) => ({ detail: describe(error), wait: this.waitAfterRefusal(error, failures) }),
      );
      this.servers.delete(slot);
      if (signal.aborted) return;
      if (clock.uptime() - began >= STEADY_MS) failures = 0;
      const ms = wait ?? (failures === 0 ? uniform(FIRST_WAIT, random) : backoff(LOST_BACKOFF, failures - 1, random));
      const text = `tunnel ${slot}: ${detail}; again in ${(ms / 1000).toFixed(1)} s`;
      if (failures === 0) log.warn(text);
      else log.debug(text);
      await clock.sleep(ms, 'tunnel', AbortSignal.any([signal, this.nudge.signal])).catch(() => undefined);
    }
  }

  /** From the dial to the end of the connection. */
  private async once(slot: number, signal: AbortSignal): Promise<void> {
    const { duplex, bytesRead } = await this.connect(slot, signal);
    if (signal.aborted) return void duplex.destroy();
    const session = this.streams.serve(duplex);
    this.sessions.add(session);
    const over = new AbortController();
    const closed = new Promise<void>((resolve) => {
      // A server that stops says GOAWAY, and has its streams end: another connection is there meanwhile.
      session.once('goaway', () => resolve());
      session.once('close', () => {
        this.sessions.delete(session);
        over.abort(new Error('the connection is over'));
        resolve();
      });
    });
    duplex.once('close', () => session.destroy());
    this.context.log.info(`tunnel ${slot} is open (${this.transport})`);
    void this.ping(session, bytesRead, over.signal);
    await closed;
  }

  /** One that has answered no two pings, nor sent anything, is given up. */
  private async ping(session: ServerHttp2Session, bytesRead: () => number, signal: AbortSignal): Promise<void> {
    const { clock } = this.context;
    for (let [unanswered, heard] = [0, 0]; ; unanswered++) {
      await clock.sleep(TUNNEL.pingSeconds * 1000, 'tunnel-ping', signal).catch(() => undefined);
      if (signal.aborted) return;
      if (bytesRead() !== heard) unanswered = 0;
      heard = bytesRead();
      if (unanswered >= TUNNEL.pingMisses) return session.destroy();
      session.ping(() => undefined);
    }
  }

  /** To a process that no other slot has a connection to, where there are several. */
  private async connect(slot: number, signal: AbortSignal): Promise<Dialed> {
    for (let attempt = 0; ; attempt++) {
      const isLast = attempt >= TUNNEL.redials || (this.wanted?.endpoints.length ?? 0) < 2;
      try {
        const dialed = await this.dialAny(isLast ? 0 : attempt, signal);
        const isTaken = [...this.servers].some(([other, server]) => other !== slot && server === dialed.server);
        if (isLast || !isTaken) {
          this.servers.set(slot, dialed.server);
          return dialed;
        }
        dialed.duplex.destroy();
      } catch (error) {
        // Another process may be gone; where the session is, is the last to be tried as well as the first.
        if (isLast || attempt === 0 || signal.aborted) throw error;
      }
    }
  }

  private async dialAny(attempt: number, signal: AbortSignal): Promise<Dialed> {
    const { link, token } = await this.way();
    const links = [link, ...this.others(link)];
    const to = links[attempt % links.length]!;
    const order = [this.transport, ...TRANSPORTS.filter((one) => one !== this.transport)];
    let failure: unknown;
    for (const transport of order) {
      try {
        const dialed = await dial(to, transport, token, signal);
        this.transport = transport;
        return dialed;
      } catch (error) {
        if (error instanceof TunnelRefused || signal.aborted) throw error;
        failure ??= error;
      }
    }
    throw failure;
  }

  /** Endpoints of other processes. One with plain HTTP is passed over where this agent's own has TLS. */
  private others(own: ServerLink): ServerLink[] {
    const urls = [...new Set(this.wanted?.endpoints)].flatMap((url) => (URL.canParse(url) ? [new URL(url)] : []));
    return urls
      .filter((url) => url.protocol === 'https:' || (url.protocol === 'http:' && !own.isEncrypted))
      .map((url) => own.to(url));
  }

  private way(): Promise<Way> {
    const now = this.context.clock.uptime();
    if (this.token && now - this.token.at < TOKEN_MS) return this.token.way;
    const way = this.credential.using(async (credential, link) => ({
      link,
      token: await tokenOnce(this.context, link, credential),
    }));
    this.token = { way, at: now };
    way.catch(() => {
      if (this.token?.way === way) this.token = undefined;
    });
    return way;
  }

  /** The server has its own word; undefined for any other failure. The token may be of a credential that was replaced. */
  private waitAfterRefusal(error: unknown, failures: number): number | undefined {
    const { clock, random } = this.context;
    if (!(error instanceof TunnelRefused || error instanceof CredentialRefused)) return undefined;
    this.token = undefined;
    const asked = error instanceof TunnelRefused ? retryAfterMs(error.retryAfter, clock.now()) : undefined;
    return asked === undefined ? backoff(REFUSED_BACKOFF, failures, random) : afterAtLeast(asked, random);
  }
}
