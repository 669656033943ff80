import { AgentExit, EXIT, type ExitCode } from '../cli/exit-codes.js';
import { networkWait } from '../enrol/retry.js';
import { backoff, REFUSED_CLAIM_BACKOFF, uniform } from '../session/backoff.js';
import type { SessionFeature } from '../session/feature.js';
import { keepSession } from '../session/keep-session.js';
import { describe, NetworkFailure } from '../session/server-link.js';
import { CredentialRefused } from '../session/token.js';
import { readAllowed } from '../tunnel/allowed.js';
import { Tunnels } from '../tunnel/tunnels.js';
import { sameContents, UnusableBundle } from './bundle.js';
import { NotInService } from './device-api.js';
import type { Enrolled } from './enrolled.js';
import { type HeldBundle, SiteRevoked } from './instance.js';
import type { Preparation } from './preparation.js';
import { reasonOf, type Started } from './starting.js';
import { InvalidStatement, OvertakenStatement } from './statements.js';
import type { Outcome, Supervisor } from './supervisor.js';

/** How often the time since the lease is counted and stored, so that no clock can be turned back by more. */
const LOOK_MS = 10 * 60_000;
const RENEW_AT = 2 / 3;
/** A lease that was not had is asked for again, not in a hurry: there is a third of its time for that. */
const LEAST_MS = 30_000;
const LEAST_LOOK_MS = 1_000;
/** How long the end of the program waits for the server to hear of its start. */
const TOLD_MS = 5_000;
/** Where the server refuses the credential without a statement: nothing is to be had there soon. */
const REFUSED_WAIT = { min: 5 * 60_000, max: 15 * 60_000 };

export type Verdict = { code: ExitCode; message: string };

/**
 * Keeps a running program in step with the server: a session, or asking where none gets through; new bundles; the lease and its end; the
 * revocation (docs/instances.md §6). Only a revocation, and the end of lease and grace, end the program.
 */
export class Watch {
  /** Why the program was ended by this agent, and how it is to end itself. */
  verdict: Verdict | undefined;
  /** The bundle that the server has offered last, and that was dealt with. */
  private latest: HeldBundle;
  /** The one that the program runs with. */
  private running: HeldBundle;
  private judged: Promise<void> = Promise.resolve();
  private refreshing = false;
  private wanted = false;
  /** Fetches that failed in a row, and all of them: a later one makes the waiting for another try needless. */
  private failures = 0;
  private attempts = 0;
  private saying = false;
  /** On the clock of the machine: a lease that was not had is not asked for before. */
  private renewAfter = 0;
  private renewals = 0;
  /** What the server said last that gives nothing any more. */
  private word: Verdict | undefined;
  private saidExpired = false;
  private breaks: (error: unknown) => void = () => undefined;

  constructor(
    private readonly enrolled: Enrolled,
    private readonly supervisor: Supervisor,
    private readonly preparation: Preparation,
    private readonly features: readonly SessionFeature[],
    { bundle }: Started,
    /** What becomes of the start: no other bundle before that. */
    private readonly started: Promise<Outcome>,
  ) {
    this.latest = this.running = bundle;
  }

  /** Until the context's signal. Rejects for what nobody expected. */
  async run(): Promise<void> {
    const broken = new Promise<never>((_, reject) => (this.breaks = reject));
    const { instance } = this.enrolled;
    const first = this.running;
    this.judged = this.started.then((outcome) => this.judge(first, outcome));
    this.guard(this.judged.finally(() => this.sayAgain()));
    // The program is started first: it waits neither for the disk nor for what a session takes.
    const begun = new Promise((resolve) => setImmediate(resolve));
    this.guard(begun.then(() => instance.startsWith(first)));
    await Promise.race([begun.then(() => Promise.all([this.sessions(), this.looks()])), broken]);
  }

  /**
   * The server has heard what became of the start, or does not answer in time. Without it a rollout would take a program that ends at every
   * start for a site that is away.
   */
  async told(): Promise<void> {
    await Promise.race([this.judged.catch(() => undefined), this.pause('told', TOLD_MS)]);
  }

  /** Work that nobody waits for: what the machine refuses to write is said, and the program goes on. */
  private guard(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (this.aborted) return;
      if (error instanceof AgentExit) this.enrolled.context.log.error(error.message);
      else this.breaks(error);
    });
  }

  private get aborted(): boolean {
    return this.enrolled.context.signal.aborted;
  }

  private async sessions(): Promise<void> {
    const { context, credential, hello, instance, settings } = this.enrolled;
    const tunnels = new Tunnels(context, credential, readAllowed(settings.allow));
    while (!this.aborted) {
      try {
        await keepSession(context, credential, {
          hello,
          features: () => [...this.features, tunnels.feature, this.feature()],
          appliedVersion: () => 0,
          until: () => Number.POSITIVE_INFINITY,
          ended: (end) => {
            tunnels.sessionEnded(end);
            if (end.lastedMs === undefined && end.kind !== 'revoked') this.refresh();
          },
        });
      } catch (error) {
        tunnels.close();
        if (this.aborted) return;
        if (!(error instanceof AgentExit)) throw error;
        if (error instanceof CredentialRefused) await this.refused(await instance.refusal(error));
        // Closed as revoked: the next request brings the statement, where the session did not.
        else if (error.code === EXIT.refused) this.refresh();
        context.log.warn(error.message);
        await this.pause('refused', uniform(REFUSED_WAIT, context.random));
      }
    }
  }

  private feature(): SessionFeature {
    const { instance } = this.enrolled;
    return {
      welcomed: () => void instance.tell(),
      apply: async ({ status, bundle }) => {
        if (status === 'approved' && bundle?.version !== this.latest.payload.ver) this.refresh();
      },
      received: (type, data) => {
        if (type !== 'agent/revoked') return false;
        this.guard(
          instance
            .revoked(data)
            .then((statement) => statement && this.over(new SiteRevoked(instance.facts.site, statement.reason))),
        );
        return true;
      },
    };
  }

  /** Counts the time since the lease, renews it, and acts on its end. */
  private async looks(): Promise<void> {
    const { context, instance } = this.enrolled;
    const jitter = RENEW_AT * (1 + 0.1 * (2 * context.random() - 1));
    const renewIn = () =>
      Math.max(instance.leaseMs * jitter - instance.elapsed, this.renewAfter - context.clock.uptime());
    const next = () => [LOOK_MS, renewIn(), instance.left(this.running) + 1].filter((ms) => ms > 0);
    while (await this.pause('lease', Math.max(Math.min(...next()), LEAST_LOOK_MS))) {
      try {
        instance.count();
        if (renewIn() <= 0) await this.renew();
        await this.expire();
      } catch (error) {
        if (!(error instanceof AgentExit)) throw error;
        context.log.error(error.message);
      }
    }
  }

  private async renew(): Promise<void> {
    const { context, instance } = this.enrolled;
    try {
      if (!(await instance.lease(this.latest))) this.refresh();
      this.renewals = this.renewAfter = 0;
      this.word = undefined;
      this.saidExpired = false;
      context.log.debug('lease renewed');
      await instance.tell();
    } catch (error) {
      if (this.aborted) return;
      this.renewAfter = context.clock.uptime() + Math.max(networkWait(context, undefined, this.renewals++), LEAST_MS);
      await this.notHad('the lease', error);
    }
  }

  /** Asks for the bundle, once more when it is asked for meanwhile. */
  private refresh(): void {
    this.wanted = true;
    if (this.refreshing) return;
    this.refreshing = true;
    this.guard(this.refreshWanted().finally(() => (this.refreshing = false)));
  }

  private async refreshWanted(): Promise<void> {
    const { instance } = this.enrolled;
    await this.started;
    while (this.wanted && !this.aborted) {
      this.wanted = false;
      const attempt = ++this.attempts;
      try {
        const bundle = await instance.fetch(this.latest);
        if (bundle !== this.latest) await this.take(bundle);
        this.failures = 0;
      } catch (error) {
        if (this.aborted) return;
        if (error instanceof UnusableBundle) await instance.failed(error.version, error.digest, error.message);
        const wait = this.waitAfter(error, this.failures++);
        this.guard(this.pause('bundle-retry', wait).then((on) => on && attempt === this.attempts && this.refresh()));
        await this.notHad('the bundle', error);
      } finally {
        this.sayAgain();
      }
    }
  }

  /** What the server did not hear is said again soon, and not at the next contact only: a rollout waits for it. */
  private sayAgain(): void {
    const { context, instance } = this.enrolled;
    if (this.saying) return;
    const saying = async () => {
      for (let failures = 0; instance.isUnheard; failures++) {
        if (!(await this.pause('untold', networkWait(context, undefined, failures)))) return;
        await instance.tell();
      }
    };
    this.saying = true;
    this.guard(saying().finally(() => (this.saying = false)));
  }

  /** What comes right by itself is tried again soon. */
  private waitAfter(error: unknown, failures: number): number {
    const { context } = this.enrolled;
    if (error instanceof NetworkFailure) return networkWait(context, error.retryAfter, failures);
    if (error instanceof OvertakenStatement) return networkWait(context, undefined, failures);
    return backoff(REFUSED_CLAIM_BACKOFF, failures, context.random);
  }

  /**
   * What fails up to the change leaves the program as it is; the bundle is tried again later.
   * @throws OvertakenStatement when the lease that is given is for another bundle than the one that was served
   */
  private async take(bundle: HeldBundle): Promise<void> {
    const { context, instance } = this.enrolled;
    const { ver } = bundle.payload;
    if (sameContents(bundle.payload, this.running.payload)) {
      context.log.info(`bundle ${ver} is the same as ${this.running.payload.ver}: nothing to do`);
      this.latest = this.running = bundle;
      instance.applied(bundle);
      return instance.acknowledge(bundle, 'applied');
    }
    if (!(await instance.lease(bundle)))
      throw new OvertakenStatement(`bundle ${ver} was served, and the lease is for another one`);
    await instance.acknowledge(bundle, 'fetched');
    let outcome: Outcome;
    try {
      const running = await this.preparation.prepare(bundle);
      context.log.info(`bundle ${ver}: ${running.run.onChange} of the program`);
      outcome = await this.supervisor.change(running);
    } catch (error) {
      if (!this.aborted) await instance.failed(ver, bundle.digest, reasonOf(error));
      throw error;
    }
    await this.judge(bundle, outcome);
  }

  private async judge(bundle: HeldBundle, outcome: Outcome): Promise<void> {
    const { instance, context } = this.enrolled;
    const { ver } = bundle.payload;
    if (outcome.state === 'applied') {
      this.running = bundle;
      // Before it counts as dealt with: where the disk is full it is fetched, and found to be the running one, once more.
      instance.applied(bundle);
    }
    this.latest = bundle;
    if (outcome.state === 'failed') return instance.failed(ver, bundle.digest, outcome.reason);
    if (outcome.state !== 'applied') return;
    this.preparation.settled(bundle.payload);
    context.log.info(`bundle ${ver} is applied`);
    await instance.acknowledge(bundle, 'applied');
  }

  private async notHad(what: string, error: unknown): Promise<void> {
    const { log } = this.enrolled.context;
    if (error instanceof SiteRevoked || error instanceof CredentialRefused) return this.refused(error);
    if (error instanceof NotInService) this.word = { code: error.exit, message: error.message };
    const known = error instanceof NetworkFailure || error instanceof NotInService;
    log[known || error instanceof InvalidStatement || error instanceof AgentExit ? 'warn' : 'error'](
      `${what} could not be had: ${describe(error)}`,
    );
  }

  private async refused(error: AgentExit): Promise<void> {
    if (error instanceof SiteRevoked) return this.over(error);
    this.word = { code: EXIT.refused, message: error.message };
  }

  /** The site is over, and what it could start from is erased. */
  private async over(revoked: SiteRevoked): Promise<void> {
    if (this.verdict) return;
    this.verdict = { code: EXIT.refused, message: revoked.message };
    this.enrolled.context.log.error(revoked.message);
    this.preparation.withdraw();
    if (!(await this.supervisor.revoke())) this.verdict = undefined;
  }

  /** Lease and grace have ended. */
  private async expire(): Promise<void> {
    const { context, instance } = this.enrolled;
    if (this.verdict || instance.left(this.running) >= 0) return;
    const unreachable = { code: EXIT.unreachable, message: 'the server cannot be reached' };
    const { code, message } = this.word ?? unreachable;
    const ends = `${message}, and lease and offline grace have ended`;
    if (this.word === undefined && this.running.payload.run.onExpire === 'keep') {
      if (!this.saidExpired) context.log.warn(`${ends}; the program goes on, as its bundle says`);
      this.saidExpired = true;
      return;
    }
    this.verdict = { code, message: ends };
    context.log.error(`${ends}: ending the program`);
    await this.supervisor.stop();
  }

  /** @returns false when it is over */
  private async pause(what: string, ms: number): Promise<boolean> {
    const { clock, signal } = this.enrolled.context;
    return clock.sleep(ms, what, signal).then(
      () => true,
      () => false,
    );
  }
}
