import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import {
  AGENT_LIMITS,
  AGENT_MESSAGE,
  type AgentHello,
  type AgentState,
  type AgentWelcome,
  CLOSE,
  type FromAgent,
  PROTOCOL,
} from '../../../contracts/index.js';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { SessionFeature } from './feature.js';
import { readEnvelope, readReconnect, readState, readWelcome } from './messages.js';
import { beginningOf, failedOpening, refusedUpgrade } from './refused-upgrade.js';
import { describe } from './server-link.js';

const PING_MS = 15_000;
const MISSES = 2;
const WELCOME_MS = 30_000;
const CLOSING_MS = 2_000;

/** How a session ended and what the server said about coming back. */
export type SessionEnd = {
  kind: 'replaced' | 'revoked' | 'throttled' | 'lost';
  detail: string;
  /** What the close frame said. */
  reason: string;
  /** Time from the welcome to the end; undefined when there was none. */
  lastedMs?: number;
  reconnectAfterMs?: number;
  retryAfter?: string | string[];
};

/**
 * One session on one websocket, from the upgrade to the close (docs/agent-protocol.md "Messages").
 * It never throws for what the server does; {@link ended} tells.
 */
export class AgentSession {
  readonly ended: Promise<SessionEnd>;
  private finish: (end: SessionEnd) => void = () => undefined;
  private readonly over = new AbortController();
  private detail = '';
  private welcomedAt: number | undefined;
  private reconnectAfterMs: number | undefined;
  private refusal: Pick<SessionEnd, 'kind' | 'retryAfter'> | undefined;
  private heard = true;
  private waiting: AgentState | undefined;
  private applying = false;
  /** Highest version received in this session; the first one counts whatever it is, a server may come back from a backup. */
  private desiredVersion = 0;
  private appliedVersion: number;

  /** @param appliedVersion what this process applied last, 0 before the first */
  constructor(
    private readonly socket: WebSocket,
    private readonly hello: AgentHello,
    private readonly features: readonly SessionFeature[],
    private readonly tools: { clock: Clock; random: () => number; log: Log },
    appliedVersion: number,
  ) {
    this.appliedVersion = appliedVersion;
    this.ended = new Promise((resolve) => {
      this.finish = resolve;
    });
    socket.on('open', () => this.opened());
    socket.on('message', (data, binary) => this.received(binary ? undefined : data.toString()));
    socket.on('ping', () => this.hear());
    socket.on('pong', () => this.hear());
    socket.on('unexpected-response', (_request, response: IncomingMessage) => void this.refused(response));
    socket.on('error', (error) => {
      this.detail ||= failedOpening(describe(error));
    });
    socket.on('close', (code, reason) => this.closed(code, reason.toString()));
  }

  /** Closes politely; when the server does not answer the close, the socket is cut. */
  async close(): Promise<void> {
    this.socket.close(CLOSE.normal);
    const cut = setTimeout(() => this.socket.terminate(), CLOSING_MS);
    await this.ended;
    clearTimeout(cut);
  }

  private async refused(response: IncomingMessage): Promise<void> {
    const status = response.statusCode ?? 0;
    if (status === 429 || status === 503) {
      const retryAfter = response.headers['retry-after'];
      this.refusal = {
        kind: status === 429 ? 'throttled' : 'lost',
        ...(retryAfter === undefined ? {} : { retryAfter }),
      };
    }
    this.detail = refusedUpgrade(status, await beginningOf(response));
    response.destroy();
    this.socket.terminate();
  }

  private opened(): void {
    this.send({ type: AGENT_MESSAGE.hello, data: this.hello });
    void this.every('ping', () => PING_MS, this.keepAlive());
    void this.every(
      'welcome',
      () => WELCOME_MS,
      () => {
        if (this.welcomedAt === undefined)
          this.drop('the server did not answer the greeting; does a proxy hold the websocket back?');
        return false;
      },
    );
  }

  /** A half-open link answers nothing: two pings in a row without a sign of life and it is dropped, well within the server's 90 s. */
  private keepAlive(): () => boolean {
    let misses = 0;
    return () => {
      misses = this.heard ? 0 : misses + 1;
      if (misses >= MISSES) {
        this.drop('the link went silent');
        return false;
      }
      this.heard = false;
      if (this.socket.readyState === WebSocket.OPEN) this.socket.ping();
      return true;
    };
  }

  private received(text: string | undefined): void {
    this.hear();
    const envelope = text === undefined ? undefined : readEnvelope(text);
    switch (envelope?.type) {
      case AGENT_MESSAGE.welcome:
        return this.welcomed(readWelcome(envelope.data));
      case AGENT_MESSAGE.state:
        return this.desired(readState(envelope.data));
      case AGENT_MESSAGE.reconnect:
        this.reconnectAfterMs = readReconnect(envelope.data)?.afterMs ?? this.reconnectAfterMs;
        return;
      case AGENT_MESSAGE.error:
        return this.tools.log.warn(`the server did not understand a message: ${JSON.stringify(envelope.data)}`);
      default:
        if (envelope && this.features.some((feature) => feature.received?.(envelope.type, envelope.data))) return;
        this.tools.log.debug(`ignored a message of type ${envelope?.type ?? '(none)'}`);
    }
  }

  private welcomed(welcome: AgentWelcome | undefined): void {
    if (!welcome) return this.tools.log.warn('ignored a welcome that this version cannot read');
    if (this.welcomedAt !== undefined) return;
    if (welcome.protocol > PROTOCOL)
      this.tools.log.warn(`the server speaks protocol ${welcome.protocol}, this agent ${PROTOCOL}`);
    this.welcomedAt = this.tools.clock.now();
    for (const feature of this.features) feature.welcomed?.(welcome, (message) => this.send(message));
    const interval = () =>
      welcome.heartbeatSeconds * 1000 * (1 + AGENT_LIMITS.heartbeatJitter * (2 * this.tools.random() - 1));
    void this.every('heartbeat', interval, () => {
      this.send({ type: AGENT_MESSAGE.heartbeat, data: { version: this.appliedVersion } });
      for (const feature of this.features) feature.heartbeat?.();
      return true;
    });
  }

  private desired(state: AgentState | undefined): void {
    if (!state) return this.tools.log.warn('ignored a state without a usable version');
    if (state.version < this.desiredVersion)
      return this.tools.log.debug(`ignored state ${state.version}, older than ${this.desiredVersion}`);
    this.desiredVersion = state.version;
    this.waiting = state;
    if (!this.applying) void this.applyWaiting();
  }

  /** One at a time; of several that came meanwhile only the newest counts, since each is complete. */
  private async applyWaiting(): Promise<void> {
    this.applying = true;
    for (let state = this.waiting; state; state = this.waiting) {
      this.waiting = undefined;
      let problem: string | undefined;
      try {
        for (const feature of this.features) await feature.apply?.(state);
        this.appliedVersion = state.version;
      } catch (error) {
        problem = describe(error);
      }
      this.send({
        type: AGENT_MESSAGE.applied,
        data: {
          version: state.version,
          ok: problem === undefined,
          ...(problem === undefined ? {} : { error: problem }),
        },
      });
      for (const feature of this.features) feature.applied?.(state, problem);
    }
    this.applying = false;
  }

  private closed(code: number, reason: string): void {
    this.over.abort(new Error('the session is over'));
    for (const feature of this.features) feature.disconnected?.();
    const kind = code === CLOSE.revoked ? 'revoked' : code === CLOSE.replaced ? 'replaced' : 'lost';
    this.finish({
      kind,
      ...this.refusal,
      reason,
      detail: this.detail || closeDetail(code, reason),
      ...(this.welcomedAt === undefined ? {} : { lastedMs: this.tools.clock.now() - this.welcomedAt }),
      ...(this.reconnectAfterMs === undefined ? {} : { reconnectAfterMs: this.reconnectAfterMs }),
    });
  }

  private drop(detail: string): void {
    this.detail = detail;
    this.socket.terminate();
  }

  private hear(): void {
    this.heard = true;
  }

  private send(message: FromAgent): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** Runs `act` after each interval until it says false or the session is over. */
  private async every(what: string, interval: () => number, act: () => boolean): Promise<void> {
    try {
      do await this.tools.clock.sleep(interval(), what, this.over.signal);
      while (act());
    } catch (error) {
      if (!this.over.signal.aborted) throw error;
    }
  }
}

function closeDetail(code: number, reason: string): string {
  if (code === CLOSE.replaced)
    return 'another agent began a session as this site; does a copy of its credential run elsewhere?';
  return `closed with ${code}${reason ? ` (${reason})` : ''}`;
}
