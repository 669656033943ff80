import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AGENT_LIMITS, type TargetHealth } from '#contracts';
import { Db, PeriodicTask, sha256 } from '#platform';
import type { Outcome } from '../../blueprints/index.js';
import type { HealthResult } from '../../resources/index.js';
import { SiteBlueprints } from '../blueprints/site-blueprints.service.js';
import type { Session } from '../gateway/session.js';
import { SessionHealth } from '../health/session-health.service.js';
import { newtContainers } from './containers.js';
import { HealthChecksRepository } from './health-checks.repository.js';

/** Health checks of one message. */
const CHECKS_AT_ONCE = 200;
const HEALTHS: readonly unknown[] = ['unknown', 'healthy', 'unhealthy'] satisfies TargetHealth[];

const SWEEP_MS = 30_000;
/** A newt tells of containers that start and stop. What it missed, or does not call a change, is asked for this often. */
const ASK_AGAIN_MS = 15 * 60_000;
/** After a refusal an operator may remove the reason. Doubles with each one. */
const REFUSED_MS = 60_000;

/** What is known of the newt at the other end of a session. */
interface Known {
  /** The health checks that it was told, as they were written. */
  checks: Map<number, string>;
  /** The status of the site when its containers were asked for; null: its labels are not taken. */
  askedAs: Session['status'] | null;
  /** Digest of the containers that were applied last: a list may have a megabyte, and there are many newts. */
  containers: Buffer | null;
  refusals: number;
}

/**
 * What connected newts are told and what they answer, as far as there is no tunnel yet: health checks and containers (docs/newt.md §2.6, §2.7). A
 * newt says `newt/wg/register` once on every connection; from then on it is told everything, and after that what has changed.
 */
@Injectable()
export class NewtsService implements OnApplicationBootstrap {
  private readonly known = new WeakMap<Session, Known>();
  /** Sessions of which containers have come, and when they are asked for again. */
  private readonly askAt = new Map<Session, number>();
  private readonly asking = new PeriodicTask('Containers of newts', {
    failure: 'Newts could not be asked for their containers',
    everyMs: SWEEP_MS,
    run: () => this.askAgain(performance.now()),
  });

  constructor(
    private readonly db: Db,
    private readonly checks: HealthChecksRepository,
    private readonly health: SessionHealth,
    private readonly blueprints: SiteBlueprints,
  ) {}

  onApplicationBootstrap(): void {
    this.asking.wake(SWEEP_MS);
  }

  /** Tells newts what they do not know yet, or not as it is now. @throws when the database is away: nothing was told */
  async tell(sessions: Session[]): Promise<void> {
    const wanted = await this.checks.ofSites(
      this.db.manager,
      sessions.map((session) => session.siteId),
    );
    for (const session of sessions) {
      const isNew = !this.known.has(session);
      const known = this.of(session);
      const checks = wanted.get(session.siteId) ?? [];
      const now = new Map(checks.map((check) => [check.id, JSON.stringify(check)]));
      this.remove(
        session,
        [...known.checks.keys()].filter((id) => !now.has(id)),
      );
      const changed = checks.filter(({ id }) => known.checks.get(id) !== now.get(id));
      for (let i = 0; i < changed.length; i += CHECKS_AT_ONCE)
        session.send('newt/healthcheck/add', { targets: changed.slice(i, i + CHECKS_AT_ONCE) });
      known.checks = now;
      // The process may have kept checks of an earlier connection: its answer shows them.
      if (isNew) session.send('newt/healthcheck/status/request', {});
      this.askForContainers(session, known);
    }
  }

  /** All that a newt checks: results are written soon, and what it should check no more is taken from it. */
  takeResults(session: Session, targets: Record<string, unknown>): void {
    const known = this.known.get(session);
    if (!known || session.status !== 'approved') return;
    const stale: number[] = [];
    const results: HealthResult[] = [];
    for (const [key, value] of Object.entries(targets)) {
      const targetId = Number(key);
      if (!Number.isSafeInteger(targetId) || targetId < 1) continue;
      if (!known.checks.has(targetId)) {
        stale.push(targetId);
        continue;
      }
      const { status, lastError } = (value ?? {}) as { status?: unknown; lastError?: unknown };
      if (HEALTHS.includes(status)) results.push(resultOf(session.siteId, targetId, status as TargetHealth, lastError));
    }
    this.remove(session, stale);
    this.health.accept(results);
  }

  /** The containers that run beside a newt. @throws validation */
  takeContainers(session: Session, containers: unknown): void {
    const known = this.of(session);
    if (known.askedAs === null) return;
    const list = newtContainers(containers);
    this.askAt.set(session, performance.now() + ASK_AGAIN_MS);
    const digest = sha256(JSON.stringify(list));
    if (known.containers?.equals(digest)) return;
    this.blueprints.fromContainers(session, list, (outcome) => this.settle(session, known, digest, outcome));
  }

  /** Asks no more. */
  async stop(): Promise<void> {
    await this.asking.stop();
  }

  private of(session: Session): Known {
    const known = this.known.get(session) ?? { checks: new Map(), askedAs: null, containers: null, refusals: 0 };
    this.known.set(session, known);
    return known;
  }

  private remove(session: Session, ids: number[]): void {
    if (ids.length > 0) session.send('newt/healthcheck/remove', { ids });
  }

  /** At first, and once the site is approved or its labels are taken: an answer may then be good for something that it was not before. */
  private askForContainers(session: Session, known: Known): void {
    const as = session.takesLabels ? session.status : null;
    if (as === known.askedAs) return;
    known.askedAs = as;
    known.containers = null;
    if (as !== null) session.send('newt/socket/fetch', {});
    else this.askAt.delete(session);
  }

  private settle(session: Session, known: Known, digest: Buffer, { ok }: Outcome): void {
    known.refusals = ok ? 0 : known.refusals + 1;
    known.containers = ok ? digest : null;
    const wait = ok ? ASK_AGAIN_MS : Math.min(ASK_AGAIN_MS, REFUSED_MS * 2 ** (known.refusals - 1));
    if (!session.ended) this.askAt.set(session, performance.now() + wait);
  }

  private askAgain(now: number): void {
    for (const [session, dueAt] of this.askAt) {
      if (session.ended) this.askAt.delete(session);
      else if (dueAt <= now) {
        this.askAt.set(session, now + ASK_AGAIN_MS);
        session.send('newt/socket/fetch', {});
      }
    }
  }
}

function resultOf(siteId: number, targetId: number, health: TargetHealth, lastError: unknown): HealthResult {
  const said =
    typeof lastError === 'string' ? lastError.replaceAll('\0', '').slice(0, AGENT_LIMITS.healthErrorLength) : '';
  return { siteId, targetId, health, ...(health === 'healthy' || said === '' ? {} : { error: said }) };
}
