import type { Socket } from 'node:net';
import type { AgentHealthCheck, AgentHealthResult } from '../contracts/index.js';
import { type Authorities, CHECK_DEFAULTS, canCheck, milliseconds, type Place, probe } from './probe.js';
import { Tally } from './tally.js';

/** Looks at once. */
const CONCURRENT = 50;
/** First looks of checks that came together are so far apart. */
const APART_MS = 10;
/** Share by which each interval is longer or shorter. */
const JITTER = 0.1;

export interface CheckerTools<Check> {
  /** @throws as `Dial` */
  dial(check: Check, to: Place, signal: AbortSignal): Promise<Socket>;
  /** Rejects when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  random(): number;
  /** Absent: certificates are not judged. */
  authorities?: () => Authorities;
  /** A target was found to be other than it was, or to be as it was by a newer revision of its check. */
  found(result: AgentHealthResult): void;
}

/** One check while it is kept. */
interface Kept<Check> {
  check: Check;
  /** All of it but its revision. */
  definition: string;
  tally: Tally;
  error: string | undefined;
  over: AbortController;
}

/**
 * Keeps looking at targets (docs/health.md rules 2 to 5): each in its own intervals, none together with all others, a bounded number at once. Used by
 * the agent, and by the server for local sites.
 */
export class Checker<Check extends AgentHealthCheck> {
  private readonly kept = new Map<number, Kept<Check>>();
  private readonly waiting: (() => void)[] = [];
  private looking = 0;

  constructor(private readonly tools: CheckerTools<Check>) {}

  /** Makes these the checks that are kept. One that is as it was goes on; one that has changed begins anew, and says nothing before its thresholds are reached. */
  apply(checks: readonly Check[]): void {
    const wanted = new Map(checks.map((check) => [check.targetId, check]));
    for (const [targetId, { over }] of this.kept) if (!wanted.has(targetId)) this.end(targetId, over);
    const fresh: Kept<Check>[] = [];
    for (const check of wanted.values()) {
      const known = this.kept.get(check.targetId);
      const definition = JSON.stringify({ ...check, revision: 0 });
      if (known?.definition === definition) {
        const isNewer = known.check.revision !== check.revision;
        known.check = check;
        if (isNewer) this.tell(known);
        continue;
      }
      known?.over.abort();
      const next = { check, definition, tally: new Tally(check), error: undefined, over: new AbortController() };
      this.kept.set(check.targetId, next);
      fresh.push(next);
    }
    for (const one of fresh) void this.keep(one, fresh.length * APART_MS);
  }

  /** All that is known. */
  results(): AgentHealthResult[] {
    return [...this.kept.values()].flatMap((one) => resultOf(one) ?? []);
  }

  stop(): void {
    this.apply([]);
  }

  private end(targetId: number, over: AbortController): void {
    this.kept.delete(targetId);
    over.abort();
  }

  private async keep(one: Kept<Check>, spreadMs: number): Promise<void> {
    const { signal } = one.over;
    const { sleep, random } = this.tools;
    if (!canCheck(one.check)) {
      one.error = `this program cannot check "${one.check.mode}"`;
      return this.tell(one);
    }
    let wait = random() * Math.min(spreadMs, pauseOf(one));
    for (;;) {
      await sleep(wait, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.inTurn(() => this.look(one));
      if (signal.aborted) return;
      wait = pauseOf(one) * (1 + JITTER * (2 * random() - 1));
    }
  }

  private async look(one: Kept<Check>): Promise<void> {
    const {
      check,
      tally,
      over,
      error,
      tally: { health },
    } = one;
    if (over.signal.aborted) return;
    const { dial, authorities } = this.tools;
    const failure = await probe(check, (to, signal) => dial(check, to, signal), authorities?.(), over.signal);
    if (over.signal.aborted) return;
    tally.take(failure === undefined);
    if (tally.health === 'healthy') one.error = undefined;
    else if (failure !== undefined) one.error = failure;
    if (tally.health !== health || (tally.health === 'unhealthy' && one.error !== error)) this.tell(one);
  }

  private tell(one: Kept<Check>): void {
    const result = resultOf(one);
    if (result) this.tools.found(result);
  }

  private async inTurn(work: () => Promise<void>): Promise<void> {
    if (this.looking >= CONCURRENT) await new Promise<void>((next) => this.waiting.push(next));
    else this.looking++;
    try {
      await work();
    } finally {
      // Who waits takes the place over.
      const next = this.waiting.shift();
      if (next) next();
      else this.looking--;
    }
  }
}

/** @returns undefined while nothing is known. */
function resultOf({ check, tally: { health }, error }: Kept<AgentHealthCheck>): AgentHealthResult | undefined {
  const { targetId, revision } = check;
  if (health === 'unknown' && canCheck(check)) return undefined;
  return { targetId, revision, health, ...(error === undefined ? {} : { error }) };
}

function pauseOf({ check, tally }: Kept<AgentHealthCheck>): number {
  const seconds =
    tally.health === 'unhealthy'
      ? (check.unhealthyInterval ?? CHECK_DEFAULTS.unhealthyInterval)
      : (check.interval ?? CHECK_DEFAULTS.interval);
  return milliseconds(seconds);
}
