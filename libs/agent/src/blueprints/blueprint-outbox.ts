import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type Blueprint, describeProblem, digestOf, type Problem, toDocument } from '../../../blueprint/index.js';
import {
  AGENT_LIMITS,
  AGENT_MESSAGE,
  type AgentBlueprint,
  type AgentBlueprintKind,
  type AgentBlueprintResult,
  type AgentContainer,
} from '../../../contracts/index.js';
import type { AgentContext } from '../context.js';
import { backoff, type Range, REFUSED_CLAIM_BACKOFF } from '../session/backoff.js';

/** No answer at all: the server may be older, or busy. */
const UNANSWERED_BACKOFF: Range = { min: 10_000, max: 10 * 60_000 };
/** Refused: an operator may yet verify a domain or remove what is in the way. */
const REFUSED_BACKOFF = REFUSED_CLAIM_BACKOFF;

type Slot = {
  blueprint: AgentBlueprint;
  settled: boolean;
  /** All of them; and those that the next wait counts. */
  refused: number;
  refusals: number;
  lastRefusal: string;
  /** To be sent at once, whatever was waited for. */
  urgent: boolean;
  wake: AbortController;
  /** The session that it is being delivered over. */
  over?: Session;
};
type Session = { send: (blueprint: AgentBlueprint) => void; over: AbortController };
type Place = Pick<Problem, 'line' | 'column'>;
const NOWHERE: Place = { line: 0, column: 0 };
type Tools = Pick<AgentContext, 'clock' | 'random' | 'log' | 'signal'>;

/**
 * Holds the latest blueprint of each kind until the server has acknowledged it: sends it on every session, again with backoff while no
 * result comes, and more slowly after a refusal. It outlives sessions; a new document replaces the one before.
 */
export class BlueprintOutbox {
  private readonly slots = new Map<AgentBlueprintKind, Slot>();
  private readonly held = new Set<AgentBlueprintKind>();
  private session: Session | undefined;

  /**
   * @param settled is told of every result that belongs to something sent
   * @param placesOf where in the file of this kind the paths of problems are, as far as there is one: the server knows no places
   */
  constructor(
    private readonly tools: Tools,
    private readonly settled: (blueprint: AgentBlueprint, result: AgentBlueprintResult) => void,
    private readonly placesOf: (kind: AgentBlueprintKind, paths: string[]) => Place[],
  ) {}

  /** Takes a document to send, and of labels the containers that it is made of. One that is the same as what was sent last is not sent again. */
  put(kind: AgentBlueprintKind, model: Blueprint, containers?: AgentContainer[]): void {
    const digest = digestOf(model);
    const before = this.slots.get(kind);
    if (before?.blueprint.digest === digest && isDeepStrictEqual(before.blueprint.containers, containers))
      return this.tools.log.debug(`the ${nameOf(kind)} says the same as before`);
    const document: AgentBlueprint = { id: randomUUID(), kind, document: toDocument(model), digest };
    const blueprint = [{ ...document, ...(containers ? { containers } : {}) }, document].find(
      (one) => bytesOf(one) <= AGENT_LIMITS.maxFrameBytes,
    );
    if (!blueprint) {
      const bytes = bytesOf(document);
      return this.tools.log.error(
        `the ${nameOf(kind)} is not sent: written out it has ${bytes} bytes, and the server reads at most ${AGENT_LIMITS.maxFrameBytes}`,
      );
    }
    before?.wake.abort();
    const slot: Slot = {
      blueprint,
      settled: false,
      refused: 0,
      refusals: 0,
      lastRefusal: '',
      urgent: false,
      wake: new AbortController(),
    };
    this.slots.set(kind, slot);
    void this.deliver(slot);
  }

  connected(send: (blueprint: AgentBlueprint) => void): void {
    this.disconnected();
    this.session = { send, over: new AbortController() };
    for (const slot of this.slots.values()) void this.deliver(slot);
  }

  disconnected(): void {
    this.session?.over.abort();
    this.session = undefined;
  }

  /**
   * Sends at once what is open, and what stays the truth once more: a site that was approved may now have what was refused it or had to
   * give way while it waited.
   */
  again(): void {
    for (const slot of this.slots.values()) this.hurry(slot);
  }

  /** Documents of this kind are kept and not sent, until {@link release}. */
  hold(kind: AgentBlueprintKind): void {
    this.held.add(kind);
    this.slots.get(kind)?.wake.abort();
  }

  release(kind: AgentBlueprintKind): void {
    this.held.delete(kind);
    const slot = this.slots.get(kind);
    if (slot) this.hurry(slot);
  }

  received(result: AgentBlueprintResult): void {
    const slot = [...this.slots.values()].find((one) => one.blueprint.id === result.id);
    if (!slot) return this.tools.log.debug('ignored the result of a blueprint that was replaced meanwhile');
    const { kind } = slot.blueprint;
    const name = nameOf(kind);
    const found = result.problems ?? [];
    const places =
      found.length > 0
        ? this.placesOf(
            kind,
            found.map((problem) => problem.path),
          )
        : [];
    const problems = found.map((problem, i): Problem => ({ ...problem, ...(places[i] ?? NOWHERE) }));
    if (result.ok) {
      if (!slot.settled) this.tools.log.info(`${name}: ${result.message || 'applied'}`);
      slot.settled = true;
    } else {
      slot.settled = false;
      slot.refused++;
      slot.refusals++;
      let message = result.message || 'refused';
      const more = new Set<string>();
      for (const problem of problems) {
        // A server may name the problems in its message already.
        const named = describeProblem({ ...problem, ...NOWHERE });
        if (message.includes(named)) message = message.replace(named, () => describeProblem(problem));
        else more.add(describeProblem(problem));
      }
      const refusal = [message, ...more].join('; ');
      // The same words again and again tell nobody anything.
      if (refusal === slot.lastRefusal) this.tools.log.debug(`${name} refused as before`);
      else this.tools.log.error(`${name} refused: ${refusal}`);
      slot.lastRefusal = refusal;
    }
    this.settled(slot.blueprint, problems.length > 0 ? { ...result, problems } : result);
    slot.wake.abort();
  }

  private hurry(slot: Slot): void {
    if (slot.settled && slot.blueprint.kind === 'bootstrap') return;
    Object.assign(slot, { settled: false, refusals: 0, urgent: true });
    slot.wake.abort();
    void this.deliver(slot);
  }

  /** Sends until acknowledged, replaced, held or the session is over. One at a time for a slot and session. */
  private async deliver(slot: Slot): Promise<void> {
    const session = this.session;
    if (!session || slot.over === session) return;
    slot.over = session;
    const { random, log, signal } = this.tools;
    const open = () =>
      this.isCurrent(slot) &&
      !slot.settled &&
      !this.held.has(slot.blueprint.kind) &&
      !session.over.signal.aborted &&
      !signal.aborted;
    for (let unanswered = 0; open(); ) {
      const { refused } = slot;
      slot.urgent = false;
      slot.wake = new AbortController();
      session.send(slot.blueprint);
      log.debug(`sent the ${nameOf(slot.blueprint.kind)}`);
      await this.sleep(
        backoff(UNANSWERED_BACKOFF, unanswered++, random),
        'blueprint-answer',
        slot,
        session.over.signal,
      );
      if (slot.refused === refused || slot.urgent || !open()) continue;
      unanswered = 0;
      slot.wake = new AbortController();
      const wait = backoff(REFUSED_BACKOFF, slot.refusals - 1, random);
      log.debug(`the ${nameOf(slot.blueprint.kind)} is sent again in ${Math.round(wait / 1000)} s`);
      await this.sleep(wait, 'blueprint-refused', slot, session.over.signal);
    }
    if (slot.over === session) delete slot.over;
  }

  /** Until the time is over, a result came, the slot was replaced or the session ended. */
  private async sleep(ms: number, what: string, slot: Slot, over: AbortSignal): Promise<void> {
    const until = AbortSignal.any([slot.wake.signal, over, this.tools.signal]);
    await this.tools.clock.sleep(ms, what, until).catch((error: unknown) => {
      if (!until.aborted) throw error;
    });
  }

  private isCurrent(slot: Slot): boolean {
    return this.slots.get(slot.blueprint.kind) === slot;
  }
}

const bytesOf = (data: AgentBlueprint) => Buffer.byteLength(JSON.stringify({ type: AGENT_MESSAGE.blueprint, data }));

export function nameOf(kind: AgentBlueprintKind): string {
  return { file: 'blueprint file', bootstrap: 'provisioning blueprint', labels: 'blueprint of the container labels' }[
    kind
  ];
}
