import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AGENT_MESSAGE, type AgentLists, type AgentState, CLOSE } from '#contracts';
import { Db, PeriodicTask, PgNotifications, type SiteBundleKey } from '#platform';
import { SiteCredentialsService } from '../../access/index.js';
import { BundleKeys, Epoch, RevocationsService } from '../../instances/index.js';
import { AgentsRepository, type Applied, type DesiredRow, type Introduction } from '../agents.repository.js';
import { SessionCredentials } from '../credentials/session-credentials.service.js';
import type { Session } from '../gateway/session.js';
import { SessionRegistry } from '../gateway/session-registry.js';
import { SessionHealth } from '../health/session-health.service.js';
import { NewtsService } from '../newt/newts.service.js';
import { DesiredLists } from './desired-lists.repository.js';

const COALESCE_MS = 100;
const RETRY_MS = 1000;
const CHUNK = 200;

/** The bundle key that a session brought, and whence. */
type SentKey = SiteBundleKey & { siteId: number; address: string | null };

/**
 * Brings desired state to the sessions of this process, and what agents report back to the database; both many sites at a time.
 * A change reaches every server process as a notice; changes within 100 ms are sent as one (docs/agent-protocol.md rule 8).
 */
@Injectable()
export class DeliveryService implements OnModuleInit {
  private readonly dirty = new Set<number>();
  private readonly applied = new Map<number, Applied>();
  private readonly introductions = new Map<number, Introduction>();
  private readonly connected = new Map<number, { siteId: number }>();
  private readonly keys = new Map<number, SentKey>();
  private readonly task = new PeriodicTask(DeliveryService.name, {
    failure: 'Desired state could not be exchanged with the database; trying again',
    retryMs: RETRY_MS,
    run: async () => {
      await this.deliver();
      await this.flushReports();
    },
  });

  constructor(
    private readonly db: Db,
    private readonly repository: AgentsRepository,
    private readonly registry: SessionRegistry,
    private readonly notifications: PgNotifications,
    private readonly credentials: SiteCredentialsService,
    private readonly newts: NewtsService,
    private readonly sessionCredentials: SessionCredentials,
    private readonly epoch: Epoch,
    private readonly bundleKeys: BundleKeys,
    private readonly revocations: RevocationsService,
    private readonly lists: DesiredLists,
    private readonly health: SessionHealth,
  ) {}

  onModuleInit(): void {
    this.notifications.on('site_changed', (payload) => {
      const siteId = Number(payload);
      if (this.registry.open.has(siteId) || this.registry.opening.has(siteId)) this.look(siteId, COALESCE_MS);
    });
    // Notices were missed: credential, status and version of every open session are compared in bulk.
    this.notifications.onReconnected(() => {
      for (const siteId of this.registry.open.keys()) this.look(siteId, 0);
      for (const siteId of this.registry.opening.keys()) this.look(siteId, 0);
    });
  }

  /** Sends the complete state to this session soon, whether or not it has changed. */
  sendState(session: Session): void {
    session.sentVersion = 0;
    session.sentStatus = null;
    this.look(session.siteId, 0);
  }

  /** A heartbeat: repairs a notice that was missed. */
  heartbeat(session: Session, version: number): void {
    if (version < this.epoch.stateBase() + session.version) this.sendState(session);
    else if (this.notifications.isDown) this.look(session.siteId, COALESCE_MS);
  }

  /** `version` as the agent was sent it; a state of an earlier epoch is none of these any more. */
  saveApplied(row: Applied): void {
    this.applied.set(row.siteId, { ...row, version: Math.max(0, row.version - this.epoch.stateBase()) });
    this.task.wake(COALESCE_MS);
  }

  saveIntroduction(row: Introduction): void {
    this.introductions.set(row.siteId, row);
    this.task.wake(COALESCE_MS);
  }

  /** Of a site that may have none yet (docs/instances.md §3). */
  saveBundleKey(row: SentKey): void {
    this.keys.set(row.siteId, row);
    this.task.wake(COALESCE_MS);
  }

  /** The site's first message since its claim. Written at once: what is a later session is asked when it begins. */
  saveConnected(siteId: number): void {
    this.connected.set(siteId, { siteId });
    this.task.wake();
  }

  async stop(): Promise<void> {
    await Promise.all([this.task.stop(), this.newts.stop(), this.health.stop()]);
  }

  /** Writes what agents reported and nobody has written yet; used before the server stops. */
  async flushReports(): Promise<void> {
    await this.write(this.connected, (tx, rows) =>
      this.credentials.connected(
        tx,
        rows.map((row) => row.siteId),
      ),
    );
    await this.write(this.keys, (tx, rows) => this.bundleKeys.adopt(tx, rows));
    await this.write(this.applied, (tx, rows) => this.repository.saveApplied(tx, rows));
    await this.write(this.introductions, (tx, rows) => this.repository.saveIntroductions(tx, rows));
  }

  private look(siteId: number, delayMs: number): void {
    this.dirty.add(siteId);
    this.task.wake(delayMs);
  }

  private async deliver(): Promise<void> {
    while (this.dirty.size > 0) {
      const siteIds = [...this.dirty].slice(0, CHUNK);
      for (const siteId of siteIds) this.dirty.delete(siteId);
      try {
        await this.tellAll(
          siteIds.flatMap((id) => this.registry.open.get(id) ?? []),
          true,
        );
        await this.tellAll(
          siteIds.flatMap((id) => this.registry.opening.get(id) ?? []),
          false,
        );
      } catch (error) {
        for (const siteId of siteIds) this.dirty.add(siteId);
        throw error;
      }
    }
  }

  private async tellAll(sessions: Session[], registered: boolean): Promise<void> {
    if (sessions.length === 0) return;
    const rows = new Map((await this.repository.desired(this.db.manager, sessions)).map((row) => [row.siteId, row]));
    const gone = sessions.flatMap(({ siteId }) => (rows.has(siteId) ? [] : [siteId]));
    const rejected = gone.length > 0 ? await this.repository.rejected(this.db.manager, gone) : new Set<number>();
    const over = sessions.filter(({ siteId }) => (rows.get(siteId)?.standing ?? 'revoked') === 'revoked');
    const notices = await this.revocations.noticesFor(over.map(({ credentialId }) => credentialId));
    const lists = await this.listsFor(sessions, rows);
    for (const session of sessions) {
      const row = rows.get(session.siteId);
      if (row?.standing === 'usable') this.tell(session, row, lists.get(session.siteId), registered);
      else if (row?.standing === 'ended') this.registry.end(session, 'credential_ended', CLOSE.credentialEnded);
      else if (!session.ended) {
        const notice = notices.get(session.credentialId);
        if (notice && session.greeted) session.send(AGENT_MESSAGE.revoked, notice);
        const reason = row ? 'revoked' : rejected.has(session.siteId) ? 'rejected' : 'deleted';
        this.registry.end(session, reason, CLOSE.revoked);
      }
    }
    await this.tellNewts(sessions, rows);
  }

  /** Read after the version that they are sent with: they may be newer than that, never older. */
  private async listsFor(sessions: Session[], rows: Map<number, DesiredRow>): Promise<Map<number, AgentLists>> {
    const due = sessions.flatMap((session) => {
      const row = rows.get(session.siteId);
      return session.greeted && row?.status === 'approved' && isNews(session, row) ? [session.siteId] : [];
    });
    return due.length === 0 ? new Map() : this.lists.ofSites(this.db.manager, due);
  }

  private async tellNewts(sessions: Session[], rows: Map<number, DesiredRow>): Promise<void> {
    const due = sessions.filter((session) => {
      const row = rows.get(session.siteId);
      return session.isNewt && !session.ended && row !== undefined && isNews(session, row);
    });
    if (due.length === 0) return;
    await this.newts.tell(due);
    for (const session of due) sent(session, rows.get(session.siteId)!);
  }

  private tell(session: Session, row: DesiredRow, lists: AgentLists | undefined, registered: boolean): void {
    if (session.ended) return;
    if (registered && row.sessionId && row.sessionId !== session.id)
      return this.registry.end(session, 'replaced', CLOSE.replaced);
    session.learn(row);
    if (registered) this.registry.watch(session);
    if (row.rotation !== null) this.sessionCredentials.soon(session, row.orgId, row.rotation);
    if (!session.greeted || !isNews(session, row)) return;
    sent(session, row);
    const state: AgentState = {
      version: this.epoch.stateBase() + row.version,
      status: row.status,
      ...(lists ?? { targets: [], healthChecks: [], resources: [] }),
      ...(row.takesLabels ? {} : { dockerSocketEnabled: false }),
      ...(row.status === 'approved' ? { config: row.config ?? {} } : {}),
      ...(row.bundle ? { bundle: row.bundle } : {}),
    };
    // Before the state: the answer to it may come at once.
    const isNew = this.health.expect(session, lists?.healthChecks ?? []);
    session.send(AGENT_MESSAGE.state, state);
    if (isNew) session.send(AGENT_MESSAGE.health, {});
  }

  private async write<Row extends { siteId: number }>(
    reports: Map<number, Row>,
    save: (tx: EntityManager, rows: Row[]) => Promise<void>,
  ): Promise<void> {
    while (reports.size > 0) {
      const rows = [...reports.values()].slice(0, CHUNK).sort((a, b) => a.siteId - b.siteId);
      await this.db.tx((tx) => save(tx, rows));
      for (const row of rows) if (reports.get(row.siteId) === row) reports.delete(row.siteId);
    }
  }
}

const isNews = (session: Session, row: DesiredRow) =>
  session.sentVersion !== row.version || session.sentStatus !== row.status;

function sent(session: Session, row: DesiredRow): void {
  session.sentVersion = row.version;
  session.sentStatus = row.status;
}
