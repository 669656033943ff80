import { AGENT_MESSAGE, type AgentTunnel } from '../../../contracts/index.js';
import type { OwnCredential } from '../credential/own-credential.js';
import { afterAtLeast, backoff, type Range, retryAfterMs, uniform } from '../session/backoff.js';
import type { SessionFeature } from '../session/feature.js';
import { readTunnel } from '../session/lists.js';
import { describe } from '../session/server-link.js';
import type { SessionEnd } from '../session/session.js';
import { CredentialRefused } from '../session/token.js';
import type { Allowed } from './allowed.js';
import { DialPolicy } from './dial-policy.js';
import { TunnelConnection } from './tunnel-connection.js';
import { type Dialed, dial, TunnelRefused } from './tunnel-dial.js';
import { TunnelStreams } from './tunnel-streams.js';
import { type TunnelContext, TunnelWays } from './tunnel-ways.js';

const FIRST_WAIT: Range = { min: 100, max: 200 };
const LOST_BACKOFF: Range = { min: 200, max: 30_000 };
/** Tries before the waits grow: a server that was killed and started again is back within two or three seconds. */
const QUICK_TRIES = 8;
const REFUSED_BACKOFF: Range = { min: 5_000, max: 300_000 };
/** A connection that lasted this long makes the next failure the first one again. */
const STEADY_MS = 10_000;
/** Within this time a connection is moved, and within the other at last when no other process was reached. */
const MOVE_MS = 30_000;
const MAX_MOVE_MS = 3_600_000;
const NO_LISTS = { targets: [], healthChecks: [], resources: [] };

/** The place of one connection, which comes back when it is lost. */
type Slot = { readonly number: number; connection?: TunnelConnection };

/** What is kept while tunnels are wanted. */
type Running = {
  readonly slots: readonly Slot[];
  readonly over: AbortController;
  /** Ends with `over`, or the round of the agent. */
  readonly signal: AbortSignal;
  /** Ends the moves that are under way. */
  moving?: AbortController;
};

/**
 * The tunnels of this agent (docs/tunnel.md rules 3 to 5): as many connections as the server says, to different processes of it, for as long as the site is
 * approved. Each comes back by itself when it is lost. They outlive the session, unless that was replaced or its site is over.
 */
export class Tunnels {
  private readonly streams: TunnelStreams;
  private readonly ways: TunnelWays;
  private wanted: AgentTunnel | undefined;
  private isApproved = false;
  /** What the server lists is known: before that a stream would be refused. */
  private hasLists = false;
  private running: Running | undefined;
  /** Ends the waits of lost connections: the server answers. */
  private nudge = new AbortController();

  /**
   * @param allowed what the operator of the machine has the tunnel lead to; none: what the server lists
   * @param dialing how one connection is made
   */
  constructor(
    private readonly context: TunnelContext,
    credential: Pick<OwnCredential, 'using'>,
    allowed: readonly Allowed[],
    dialing = dial,
  ) {
    this.streams = new TunnelStreams(new DialPolicy(allowed));
    this.ways = new TunnelWays(context, credential, dialing);
  }

  readonly feature: SessionFeature = {
    welcomed: ({ tunnel, status }) => {
      this.isApproved = status === 'approved';
      this.want(tunnel);
      this.nudge.abort();
      this.nudge = new AbortController();
    },
    apply: async ({ status, targets = [], healthChecks = [], resources = [] }) => {
      this.isApproved = status === 'approved';
      this.streams.apply(this.isApproved ? { targets, healthChecks, resources } : NO_LISTS);
      this.hasLists = true;
      this.adjust();
    },
    received: (type, data) => {
      if (type !== AGENT_MESSAGE.tunnel) return false;
      const tunnel = readTunnel(data);
      if (tunnel) this.want(tunnel);
      return true;
    },
  };

  /** A session has ended: with the site of one that was taken over or is over go its tunnels. */
  sessionEnded({ kind }: SessionEnd): void {
    if (kind === 'replaced' || kind === 'revoked') this.close();
  }

  /** Ends all connections, until a session is welcomed again. */
  close(): void {
    this.want(undefined);
  }

  /** The server has said what to keep. */
  private want(tunnel: AgentTunnel | undefined): void {
    this.wanted = tunnel;
    this.ways.endpoints = tunnel?.endpoints ?? [];
    this.adjust();
    this.spread(true);
  }

  private adjust(): void {
    const { context } = this;
    const connections =
      this.isApproved && this.hasLists && !context.signal.aborted ? (this.wanted?.connections ?? 0) : 0;
    if (connections === (this.running?.slots.length ?? 0)) return;
    this.running?.over.abort(new Error('the tunnel is not wanted any more'));
    this.running = undefined;
    if (connections === 0) return;
    const over = new AbortController();
    const slots = Array.from({ length: connections }, (_, i): Slot => ({ number: i + 1 }));
    const running = { slots, over, signal: AbortSignal.any([over.signal, context.signal]) };
    this.running = running;
    for (const slot of slots) void this.keep(slot, running);
  }

  /** Keeps one connection until the signal. */
  private async keep(slot: Slot, running: Running): Promise<void> {
    const { clock, log, random } = this.context;
    const { signal } = running;
    for (let failures = 0; !signal.aborted; failures++) {
      const began = clock.uptime();
      const { detail, wait } = await this.once(slot, running).then(
        () => ({ detail: 'lost', wait: undefined }),
        (error: unknown) => ({ detail: describe(error), wait: this.waitAfterRefusal(error, failures) }),
      );
      if (signal.aborted) return;
      if (clock.uptime() - began >= STEADY_MS) failures = 0;
      const ms = wait ?? waitAfterLoss(failures, random);
      const text = `tunnel ${slot.number}: ${detail}; again in ${(ms / 1000).toFixed(1)} s`;
      if (failures === 0) log.warn(text);
      else log.debug(text);
      await clock.sleep(ms, 'tunnel', AbortSignal.any([signal, this.nudge.signal])).catch(() => undefined);
    }
  }

  /** From the dial to the end of the connection, or of the last that was put in its place. */
  private async once(slot: Slot, { slots, signal }: Running): Promise<void> {
    const others = slots.filter((other) => other !== slot);
    const another = await this.ways.toAnother((server) => leadsTo(others, server), signal);
    this.open(slot, another ?? (await this.ways.toAny(signal)), signal);
    this.spread();
    let awaited: TunnelConnection | undefined;
    while (awaited !== slot.connection) {
      awaited = slot.connection;
      await awaited?.over;
    }
    delete slot.connection;
  }

  private open(slot: Slot, dialed: Dialed, signal: AbortSignal): void {
    if (signal.aborted) return void dialed.duplex.destroy();
    slot.connection = new TunnelConnection(this.streams, dialed, this.context.clock, signal);
    this.context.log.info(`tunnel ${slot.number} is open to ${dialed.server} (${this.ways.transport})`);
  }

  /** Has what is surplus at one process moved to others. @param anew also where that is under way: the processes have changed */
  private spread(anew = false): void {
    const { running } = this;
    if (!running || (running.moving && !anew)) return;
    running.moving?.abort(new Error('the server processes have changed'));
    const moving = new AbortController();
    running.moving = moving;
    void this.moveAll(running, AbortSignal.any([running.signal, moving.signal])).then(() => {
      if (running.moving === moving) delete running.moving;
    });
  }

  /** One after the other, each after a wait of its own: thousands of agents learn of a new process at one moment. */
  private async moveAll(running: Running, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.context;
    for (let misses = 0; this.surplus(running); ) {
      const max = Math.min(MOVE_MS * 2 ** misses, MAX_MOVE_MS);
      await clock.sleep(uniform({ min: 0, max }, random), 'tunnel-move', signal).catch(() => undefined);
      const slot = this.surplus(running);
      if (signal.aborted || !slot) return;
      misses = (await this.move(slot, running, signal)) ? 0 : misses + 1;
    }
  }

  /** One that leads where another one leads, though there are processes that none leads to. */
  private surplus({ slots }: Running): Slot | undefined {
    const open = slots.filter(({ connection }) => connection);
    const servers = new Set(open.map(({ connection }) => connection!.server));
    if (this.ways.endpoints.length <= servers.size) return undefined;
    return open.find((slot, i) => leadsTo(open.slice(0, i), slot.connection!.server));
  }

  /** The new connection is there before the old one is left. @returns whether another process was reached */
  private async move(slot: Slot, { slots, signal }: Running, giveUp: AbortSignal): Promise<boolean> {
    const { connection } = slot;
    try {
      const dialed = await this.ways.toAnother((server) => leadsTo(slots, server), giveUp);
      if (!dialed) return false;
      if (giveUp.aborted || slot.connection !== connection) {
        dialed.duplex.destroy();
        return false;
      }
      this.open(slot, dialed, signal);
      connection?.leave();
      return true;
    } catch (error) {
      this.context.log.debug(`tunnel ${slot.number} stays where it is: ${describe(error)}`);
      return false;
    }
  }

  /** The server has its own word; undefined for any other failure. The token may be of a credential that was replaced. */
  private waitAfterRefusal(error: unknown, failures: number): number | undefined {
    const { clock, random } = this.context;
    if (!(error instanceof TunnelRefused || error instanceof CredentialRefused)) return undefined;
    this.ways.forgetToken();
    const asked = error instanceof TunnelRefused ? retryAfterMs(error.retryAfter, clock.now()) : undefined;
    return asked === undefined ? backoff(REFUSED_BACKOFF, failures, random) : afterAtLeast(asked, random);
  }
}

const waitAfterLoss = (failures: number, random: () => number): number =>
  failures === 0 ? uniform(FIRST_WAIT, random) : backoff(LOST_BACKOFF, Math.max(failures - QUICK_TRIES, 0), random);

const leadsTo = (slots: readonly Slot[], server: string): boolean =>
  slots.some(({ connection }) => connection?.server === server);
