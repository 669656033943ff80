import { Injectable, Logger } from '@nestjs/common';
import type { SessionEnd } from '#contracts';
import { AppError, Db, databaseAway, isOutage, PeriodicTask, toAppError, unavailable } from '#platform';
import { outOfService, unusable } from '../../access/index.js';
import { EventsService, type NewEvent } from '../../audit/index.js';
import { ServerLease } from '../../cluster/index.js';
import { SiteLifecycleService } from '../../sites/index.js';
import type { Session } from '../gateway/session.js';
import { SessionRegistry } from '../gateway/session-registry.js';
import { PresenceRepository, type PresenceRow, type Transition } from './presence.repository.js';
import { judge } from './take-over.js';

const BATCH = 256;
const PER_TURN = 32;
const RETRY_MS = 1000;

interface Arrival {
  session: Session;
  resolve: () => void;
  reject: (error: AppError) => void;
}

type Outcome = Map<Session, AppError | null>;

/**
 * Which site is online, and through which session (docs/agent-protocol.md rule 12). Whatever arrives while a transaction runs shares the
 * next one, so that thousands of agents that return at once cost tens of transactions. Events leave in the transaction of their cause.
 */
@Injectable()
export class PresenceService {
  private readonly logger = new Logger(PresenceService.name);
  private arrivals: Arrival[] = [];
  private departures = new Map<string, { session: Session; reason: SessionEnd }>();
  private running = false;
  /** PostgreSQL did not take departures a moment ago. */
  private paused = false;
  private readonly retry = new PeriodicTask(PresenceService.name, {
    failure: 'Sites could not be put offline',
    run: () => {
      this.paused = false;
      this.pump();
    },
  });
  private stopped = false;

  constructor(
    private readonly db: Db,
    private readonly repository: PresenceRepository,
    private readonly registry: SessionRegistry,
    private readonly events: EventsService,
    private readonly lease: ServerLease,
    private readonly sites: SiteLifecycleService,
  ) {
    registry.onEnd((session, reason) => this.depart(session, reason));
  }

  /**
   * Registers the session of a newcomer and fills in what the site's row says. Resolves once it is committed.
   * @throws AppError `credential_unusable`, `rate_limited` (take-over rule), `database_unavailable`.
   */
  arrive(session: Session): Promise<void> {
    return new Promise((resolve, reject) => {
      this.arrivals.push({ session, resolve, reject });
      this.pump();
    });
  }

  /** Puts the site offline if this session is still the registered one; kept until PostgreSQL takes it. */
  depart(session: Session, reason: SessionEnd): void {
    if (this.stopped) return;
    this.departures.set(session.id, { session, reason });
    this.pump();
  }

  /** Resolves when nothing waits to be written. */
  async settled(): Promise<void> {
    while (this.running || this.arrivals.length > 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Stops retrying; what is left over is settled by the lease. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.departures.clear();
    await this.retry.stop();
  }

  /** Makes `site.online` / `site.offline` events of transitions; `data` says why. */
  transitions(
    type: 'site.online' | 'site.offline',
    sites: Transition[],
    data: (site: Transition) => Record<string, unknown>,
  ): NewEvent[] {
    return sites.map((site) => ({
      type,
      orgId: site.orgId,
      siteId: site.siteId,
      data: { ...data(site), state: site.state },
    }));
  }

  private pump(): void {
    if (this.running) return;
    this.running = true;
    // Starts in the next turn: what arrives in this one comes along.
    setImmediate(() => void this.run().finally(() => (this.running = false)));
  }

  private async run(): Promise<void> {
    for (;;) {
      // Departures first: an agent that was cut off and is back must not take over from its own ghost.
      const departed = await this.writeDepartures();
      const batch = this.takeBatch();
      if (batch.length > 0) await this.writeArrivals(batch);
      else if (!departed) return;
    }
  }

  /** At most one newcomer per site: a second one is judged after the first is registered. */
  private takeBatch(): Arrival[] {
    const sites = new Set<number>();
    const batch: Arrival[] = [];
    const later: Arrival[] = [];
    for (const arrival of this.arrivals) {
      const { siteId } = arrival.session;
      if (batch.length < BATCH && !sites.has(siteId)) {
        sites.add(siteId);
        batch.push(arrival);
        this.registry.opening.set(siteId, arrival.session);
      } else later.push(arrival);
    }
    this.arrivals = later;
    return batch;
  }

  /** @returns false when there was nothing to do, or PostgreSQL is away (a retry is scheduled). */
  private async writeDepartures(): Promise<boolean> {
    if (this.departures.size === 0 || this.paused) return false;
    const batch = [...this.departures.values()].slice(0, BATCH * 4);
    const rows = batch.map(({ session, reason }) => ({ id: session.id, siteId: session.siteId, reason }));
    const reasons = new Map(batch.map(({ session, reason }) => [session.siteId, reason]));
    try {
      await this.db.tx(async (tx) => {
        const gone = await this.repository.offline(tx, rows);
        await this.events.emit(
          tx,
          ...this.transitions('site.offline', gone, (site) => ({ reason: reasons.get(site.siteId) })),
        );
      });
    } catch (error) {
      if (!isOutage(error)) this.logger.error({ err: error }, 'Sites could not be put offline; trying again');
      this.paused = true;
      this.retry.wake(RETRY_MS);
      return false;
    }
    for (const { session } of batch) this.departures.delete(session.id);
    return true;
  }

  private async writeArrivals(batch: Arrival[]): Promise<void> {
    try {
      const sessions = batch.map((a) => a.session);
      await this.settle(batch, await this.db.tx((tx) => this.registerIn(tx, sessions)));
    } catch (error) {
      // One bad row must not keep the others out.
      if (batch.length > 1 && !unavailable(error)) {
        for (const one of batch) await this.writeArrivals([one]);
        return;
      }
      const refusal = toAppError(error);
      if (refusal.code === 'internal') this.logger.error({ err: error }, 'A session could not be registered');
      await this.settle(batch, new Map(batch.map((a) => [a.session, refusal])));
      // The commit may have happened although its answer was lost.
      for (const { session } of batch) this.departures.set(session.id, { session, reason: 'not_accepted' });
    }
  }

  /** Accepting a websocket takes a while: a few per turn of the event loop, so that requests are answered in between. */
  private async settle(batch: Arrival[], outcome: Outcome): Promise<void> {
    for (const [i, { session, resolve, reject }] of batch.entries()) {
      const refusal = outcome.get(session);
      if (refusal) reject(refusal);
      else resolve();
      if (this.registry.opening.get(session.siteId) === session) this.registry.opening.delete(session.siteId);
      if (i % PER_TURN === PER_TURN - 1) await new Promise<void>((done) => setImmediate(done));
    }
  }

  private async registerIn(tx: Parameters<Parameters<Db['tx']>[0]>[0], sessions: Session[]): Promise<Outcome> {
    const outcome: Outcome = new Map();
    // Newcomers are told to come back until the lease is there again.
    if (!(await this.lease.hold(tx))) throw databaseAway();
    const sites = new Map((await this.repository.usable(tx, sessions)).map((s) => [s.siteId, s]));
    const rows = new Map((await this.repository.lock(tx, [...sites.keys()])).map((p) => [p.siteId, p]));
    const accepted: { session: Session; row: PresenceRow; takesOver: boolean }[] = [];
    const guarded: { session: Session; row: PresenceRow }[] = [];
    for (const session of sessions) {
      const site = sites.get(session.siteId);
      const row = rows.get(session.siteId);
      if (!site || !row) {
        outcome.set(session, unusable());
        continue;
      }
      if (site.closed) {
        outcome.set(session, outOfService());
        continue;
      }
      const verdict = judge(row, row.now);
      if (verdict === 'guard') guarded.push({ session, row });
      if (verdict === 'guard' || verdict === 'refuse') {
        outcome.set(session, duplicate(verdict === 'refuse' ? (row.guardedUntil! - row.now) / 1000 : 60));
        continue;
      }
      session.niceId = site.niceId;
      session.name = site.name;
      session.profileDue = site.profileDue;
      session.claiming = site.claiming;
      session.learn(site);
      accepted.push({ session, row, takesOver: verdict === 'take_over' });
      outcome.set(session, null);
    }
    const states = await this.repository.register(
      tx,
      this.lease.serverId,
      accepted.map(({ session, takesOver }) => ({
        id: session.id,
        siteId: session.siteId,
        credentialId: session.credentialId,
        address: session.address,
        takesOver,
      })),
    );
    const guardedIds = guarded.map(({ row }) => row.siteId);
    await this.repository.guard(tx, guardedIds);
    // A decision that holds the site may wait for the presence, so nobody waits for it here: the clone comes again.
    await this.sites.markOdd(tx, guardedIds, 'duplicate_session', false);
    await this.events.emit(
      tx,
      ...accepted
        .filter((a) => !a.takesOver)
        .map(
          ({ session, row }): NewEvent => ({
            type: 'site.online',
            orgId: row.orgId,
            siteId: row.siteId,
            data: { address: session.address, state: states.get(row.siteId) },
          }),
        ),
      ...guarded.map(
        ({ session, row }): NewEvent => ({
          type: 'site.duplicate_session',
          orgId: row.orgId,
          siteId: row.siteId,
          data: { establishedAddress: row.address, newcomerAddress: session.address },
        }),
      ),
    );
    const elsewhere = accepted.filter((a) => a.takesOver && a.row.serverId !== this.lease.serverId);
    await this.repository.announce(
      tx,
      elsewhere.map((a) => a.row.siteId),
    );
    return outcome;
  }
}

const duplicate = (retryAfter: number) =>
  new AppError('rate_limited', 'Another session of this site keeps returning; the established one stays', {
    retryAfter,
  });
