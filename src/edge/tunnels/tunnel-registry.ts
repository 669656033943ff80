import { Injectable } from '@nestjs/common';
import { AppError } from '#platform';
import type { SessionEnd } from './connect-session.js';
import type { TunnelConnection } from './tunnel-connection.js';

/** Of one site, in one process. */
export const MAX_OF_SITE = 8;
/** Of one organization, in one process. */
export const MAX_OF_ORG = 20_000;
const RETRY_SECONDS = 30;

/** The tunnel connections of this server process (docs/tunnel.md rule 13). Those of other processes are reached by the hop (docs/edge.md rule 17). */
@Injectable()
export class TunnelRegistry {
  /** No new ones: the server is stopping. */
  draining = false;
  private readonly bySite = new Map<number, Set<TunnelConnection>>();
  private readonly byOrg = new Map<string, Set<TunnelConnection>>();
  private readonly endListeners: ((connection: TunnelConnection, why: SessionEnd) => void)[] = [];

  private readonly changeListeners: ((siteId: number) => void)[] = [];

  /** Registers what happens when a site may have become usable, or may have stopped being so. */
  onChange(listener: (siteId: number) => void): void {
    this.changeListeners.push(listener);
  }

  /** Registers what happens when a connection is over. */
  onEnd(listener: (connection: TunnelConnection, why: SessionEnd) => void): void {
    this.endListeners.push(listener);
  }

  /** @throws AppError `rate_limited` when the organization has as many as it may */
  requireRoom(orgId: string): void {
    if ((this.byOrg.get(orgId)?.size ?? 0) >= MAX_OF_ORG)
      throw new AppError('rate_limited', 'The organization has too many tunnels', { retryAfter: RETRY_SECONDS });
  }

  /** Takes a connection in until it ends; the oldest of the site gives way to one too many. */
  enter(connection: TunnelConnection): void {
    const { siteId, orgId } = connection.owner;
    const ofSite = this.bySite.get(siteId) ?? new Set();
    const [oldest] = ofSite;
    if (ofSite.size >= MAX_OF_SITE) oldest?.end('replaced');
    this.bySite.set(siteId, ofSite.add(connection));
    this.byOrg.set(orgId, (this.byOrg.get(orgId) ?? new Set()).add(connection));
    const changed = () => {
      for (const listener of this.changeListeners) listener(siteId);
    };
    connection.changed = changed;
    void connection.closed.then((why) => {
      remove(this.bySite, siteId, connection);
      remove(this.byOrg, orgId, connection);
      for (const listener of this.endListeners) listener(connection, why);
      changed();
    });
  }

  /** All of a site, also those on which no stream can be opened (yet). */
  allOf(siteId: number): TunnelConnection[] {
    return [...(this.bySite.get(siteId) ?? [])];
  }

  /** The connections on which a stream to the site can be opened, the least busy first; none: the site cannot be reached through this process. */
  usable(siteId: number): TunnelConnection[] {
    return this.allOf(siteId)
      .filter((connection) => connection.isUsable)
      .sort((a, b) => a.streams.size - b.streams.size);
  }

  /** Whether a stream to the site can be opened. */
  isUsable(siteId: number): boolean {
    for (const connection of this.bySite.get(siteId) ?? []) if (connection.isUsable) return true;
    return false;
  }

  sitesOf(orgId: string): number[] {
    return [...new Set([...(this.byOrg.get(orgId) ?? [])].map(({ owner }) => owner.siteId))];
  }

  get siteIds(): Iterable<number> {
    return this.bySite.keys();
  }

  /** How many there are. */
  get size(): number {
    let size = 0;
    for (const connections of this.bySite.values()) size += connections.size;
    return size;
  }

  get all(): TunnelConnection[] {
    return [...this.bySite.values()].flatMap((connections) => [...connections]);
  }

  /** Calls `visit` for every connection, a few per turn of the event loop. */
  async eachInSlices(visit: (connection: TunnelConnection) => void, perTurn = 250): Promise<void> {
    for (const [i, connection] of this.all.entries()) {
      visit(connection);
      if (i % perTurn === perTurn - 1) await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

function remove<Key>(sets: Map<Key, Set<TunnelConnection>>, key: Key, connection: TunnelConnection): void {
  const set = sets.get(key);
  set?.delete(connection);
  if (set?.size === 0) sets.delete(key);
}
