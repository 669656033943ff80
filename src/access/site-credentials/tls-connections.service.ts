import type { Socket } from 'node:net';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Db, PeriodicTask, PgNotifications } from '#platform';
import type { SiteIdentity } from './credential-standing.js';
import { TlsCredentialsRepository } from './tls-credentials.repository.js';

const EVERY_MS = 500;
const SOON_MS = 20;

interface Connected {
  siteId: number;
  sockets: Set<Socket>;
  /** By `performance.now()`. */
  endsAt: number;
}

/**
 * Open connections that have asked something by the credential of their handshake: closed within a second of its end, whether it is revoked (by notices)
 * or its time is over, and whether or not the database can be asked. Sessions are closed by the gateway, with a reason.
 */
@Injectable()
export class TlsConnections implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly open = new Map<number, Connected>();
  private readonly ofSite = new Map<number, Set<number>>();
  private readonly credentialOf = new WeakMap<Socket, number>();
  /** Credentials to look at. */
  private readonly due = new Set<number>();
  private readonly looks = new PeriodicTask(TlsConnections.name, {
    failure: 'Credentials of open connections could not be looked at',
    run: () => this.judgeDue(),
    retryMs: EVERY_MS,
  });
  /** Of its own: ends that are known wait for no database. */
  private readonly ends = new PeriodicTask(TlsConnections.name, {
    failure: 'Connections of credentials that ended could not be closed',
    run: () => this.closeEnded(),
    everyMs: EVERY_MS,
  });

  constructor(
    private readonly db: Db,
    private readonly repository: TlsCredentialsRepository,
    notifications: PgNotifications,
  ) {
    notifications.on('site_changed', (siteId) => this.look(this.ofSite.get(Number(siteId)) ?? []));
    notifications.onReconnected(() => this.look(this.open.keys()));
  }

  onApplicationBootstrap(): void {
    this.ends.wake(EVERY_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.looks.stop(), this.ends.stop()]);
  }

  /** A connection has proved itself by a credential that is good; at each request. */
  track(socket: Socket, { siteId, credentialId }: SiteIdentity): void {
    if (socket.destroyed || this.credentialOf.get(socket) === credentialId) return;
    this.credentialOf.set(socket, credentialId);
    const connected = this.open.get(credentialId) ?? { siteId, sockets: new Set(), endsAt: Infinity };
    this.open.set(credentialId, connected);
    this.ofSite.set(siteId, (this.ofSite.get(siteId) ?? new Set()).add(credentialId));
    connected.sockets.add(socket);
    socket.once('close', () => this.leave(socket));
    this.look([credentialId]);
  }

  /** The connection is closed, or somebody else ends it from now on. */
  leave(socket: Socket): void {
    const credentialId = this.credentialOf.get(socket);
    const connected = credentialId === undefined ? undefined : this.open.get(credentialId);
    if (credentialId === undefined || !connected) return;
    this.credentialOf.delete(socket);
    connected.sockets.delete(socket);
    if (connected.sockets.size > 0) return;
    this.open.delete(credentialId);
    const others = this.ofSite.get(connected.siteId);
    others?.delete(credentialId);
    if (others?.size === 0) this.ofSite.delete(connected.siteId);
  }

  private look(credentialIds: Iterable<number>): void {
    for (const id of credentialIds) this.due.add(id);
    if (this.due.size > 0) this.looks.wake(SOON_MS);
  }

  private async judgeDue(): Promise<void> {
    const due = [...this.due];
    this.due.clear();
    try {
      await this.judge(due);
    } catch (error) {
      for (const id of due) this.due.add(id);
      throw error;
    }
  }

  private async judge(credentialIds: number[]): Promise<void> {
    const asked = performance.now();
    const found = await this.repository.connected(this.db.manager, credentialIds);
    const endsIn = new Map(found.map((row) => [row.credentialId, row.endsIn ?? Infinity]));
    for (const id of credentialIds) {
      const connected = this.open.get(id);
      if (connected) connected.endsAt = asked + (endsIn.get(id) ?? 0);
    }
    this.closeEnded();
  }

  private closeEnded(): void {
    const now = performance.now();
    for (const { endsAt, sockets } of this.open.values())
      if (endsAt <= now) for (const socket of [...sockets]) socket.destroy();
  }
}
