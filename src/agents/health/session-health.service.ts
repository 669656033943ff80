import { Injectable } from '@nestjs/common';
import type { AgentHealthCheck, AgentHealthResult } from '#contracts';
import { Db } from '#platform';
import { HealthReports, type HealthResult, ResourceWriter } from '../../resources/index.js';
import type { Session } from '../gateway/session.js';

/** What sites report of the health of their targets (docs/health.md): taken from who was told to check it, written many at a time. */
@Injectable()
export class SessionHealth {
  /** The targets that a session was told to check. */
  private readonly checked = new WeakMap<Session, ReadonlySet<number>>();
  private readonly reports: HealthReports;

  constructor(db: Db, writer: ResourceWriter) {
    this.reports = new HealthReports(db, (tx, results) => writer.recordHealth(tx, results));
  }

  /**
   * Remembers what the agent of a session is told to check.
   * @returns whether it is to be asked for all that it knows: it is the first time in this session that there is something
   */
  expect(session: Session, checks: readonly AgentHealthCheck[]): boolean {
    const isFirst = !this.checked.has(session);
    if (checks.length > 0 || !isFirst) this.checked.set(session, new Set(checks.map(({ targetId }) => targetId)));
    return isFirst && checks.length > 0;
  }

  /** What an agent has found out. Targets that it was not told to check are passed over: it may not have applied its newest state yet. */
  take(session: Session, results: readonly AgentHealthResult[]): void {
    const checked = this.checked.get(session);
    if (!checked || session.status !== 'approved') return;
    const { siteId } = session;
    this.accept(
      results
        .filter(({ targetId }) => checked.has(targetId))
        .map(({ targetId, revision, health, error }) => ({ siteId, targetId, revision, health, error })),
    );
  }

  /** Results that were judged already. */
  accept(results: readonly HealthResult[]): void {
    this.reports.take(results);
  }

  /** Writes by itself no more. */
  stop(): Promise<void> {
    return this.reports.stop();
  }

  /** Writes what is not written yet; used before the server stops. */
  flush(): Promise<void> {
    return this.reports.flush();
  }
}
