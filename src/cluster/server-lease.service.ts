import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { EntityManager } from 'typeorm';
import { Config, Db, Drain, KeyRing, notify, PeriodicTask, PgNotifications, VERSION } from '#platform';
import { MasterKeys } from './master-keys/master-keys.service.js';
import { type AgentServer, type ServerRow, ServersRepository } from './servers.repository.js';

const RENEW_MS = 5000;
const LEASE_MS = 30_000;

/** How a server ended: it gave its lease up, or the lease ran out. */
export type ServerEnd = 'stopped' | 'lost';

/**
 * Ends, in the transaction that takes the row of a server away, what hung on its lease, some thousand rows at a time.
 * @returns whether nothing is left of it.
 */
type EndHandler = (tx: EntityManager, serverId: string, end: ServerEnd) => Promise<boolean>;

/**
 * The row of this server process and its lease, renewed every 5 s. What a process holds in memory and others believe of it (sessions of
 * agents) hangs on the lease: when it has run out, after 30 s, any other server ends that and takes the row away, once; so does the next life
 * of the same place at once (ADR 0027, docs/agent-protocol.md rule 14).
 */
@Injectable()
export class ServerLease implements OnApplicationBootstrap {
  /** This process, for as long as it lives. */
  readonly serverId = randomUUID();
  private readonly logger = new Logger(ServerLease.name);
  private readonly endHandlers: EndHandler[] = [];
  private readonly regainedHandlers: (() => Promise<void>)[] = [];
  private readonly agentServersHandlers: (() => void)[] = [];
  private readonly row: ServerRow;
  private agentServers: AgentServer[] = [];
  private load: () => number = () => 0;
  /** Where other servers were told last that this one is reached. */
  private told = '';
  private released = false;
  /** The lease had run out, and what hangs on it is not entered again yet. */
  private lost = false;
  /** Since when every renewal has succeeded: after an outage of the database all leases are old, and nobody may judge by them. */
  private steadySince: number | null = null;
  private readonly task = new PeriodicTask(ServerLease.name, {
    failure: 'The lease of this server could not be renewed',
    everyMs: RENEW_MS,
    run: () => this.round(),
  });

  constructor(
    private readonly config: Config,
    private readonly host: HttpAdapterHost,
    private readonly db: Db,
    private readonly repository: ServersRepository,
    private readonly keys: KeyRing,
    private readonly sealing: MasterKeys,
    notifications: PgNotifications,
    drain: Drain,
  ) {
    const roles = [...config.cluster.roles];
    const masterKeys = keys.fingerprints;
    this.row = {
      serverId: this.serverId,
      version: VERSION,
      instance: null,
      address: null,
      roles,
      masterKeys,
      agentUrl: config.tunnels.agentUrl,
      hopAddress: '',
      load: 0,
    };
    notifications.on('server_changed', () => this.task.wake());
    drain.register('give up the lease', 'lease', () => this.release());
  }

  /** Registers what ends with the lease of a server, another's or this one's. */
  onEnd(handler: EndHandler): void {
    this.endHandlers.push(handler);
  }

  /** Registers what is entered again when the lease of this server had run out and is whole again: others may have ended it. Called again after it threw. */
  onRegained(handler: () => Promise<void>): void {
    this.regainedHandlers.push(handler);
  }

  /** Registers what happens when another process takes agents than before, or one fewer, also where its URL is the same. */
  onAgentServers(handler: () => void): void {
    this.agentServersHandlers.push(handler);
  }

  /** Of each server process that takes agents, as of the last round: where they reach it with their tunnels (docs/tunnel.md rule 3). */
  get agentUrls(): string[] {
    return this.agentServers.map(({ url }) => url);
  }

  /**
   * Announces where other servers reach the tunnels of this one, and tells them at once (`server_changed`).
   * @param host that its listener is bound to
   * @param load asked at each renewal: how many tunnels it holds
   */
  announceHop(host: string, port: number, load: () => number): void {
    this.row.hopAddress = reachable(host, port);
    this.load = load;
    this.task.wake();
  }

  /** Where the tunnels of other servers are reached, as `host:port`. */
  async otherHops(): Promise<string[]> {
    const addresses = await this.repository.hopAddresses(this.db.manager, this.serverId);
    // A server of an earlier life had it.
    return addresses.filter((address) => address !== this.row.hopAddress);
  }

  /** This server's row cannot be taken away until the transaction ends. @returns false when it is gone: the caller's work is to be tried later. */
  async hold(tx: EntityManager): Promise<boolean> {
    const holds = await this.repository.hold(tx, this.serverId);
    if (!holds) this.task.wake();
    return holds;
  }

  /** Where the processes of this installation listen, as `host:port` or as an origin. */
  listeners(): Promise<string[]> {
    return this.repository.listeners(this.db.manager);
  }

  /**
   * Takes a duty, work that one process does for all, unless another has it: it is this one's until its lease ends.
   * @returns whether it is this process's
   */
  takeDuty(duty: string): Promise<boolean> {
    return this.repository.takeDuty(this.db.manager, this.serverId, duty);
  }

  /** Until the transaction ends nobody else gets the duty. @returns false when it is not this process's any more */
  holdDuty(tx: EntityManager, duty: string): Promise<boolean> {
    return this.repository.holdDuty(tx, this.serverId, duty);
  }

  /**
   * Since when some server has taken sessions of agents without a break: who judges by how long a site was away must not count the time in
   * which nobody was there. @returns null when no server takes sessions now
   */
  sessionsTakenSince(): Promise<Date | null> {
    return this.repository.sessionsTakenSince(this.db.manager);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.repository.enter(this.db.manager, this.row);
    this.agentServers = await this.repository.agentServers(this.db.manager);
    await this.sealing.settle();
    this.steadySince = performance.now();
    const server = this.host.httpAdapter.getHttpServer() as Server;
    // Only a process that has the port may speak for the instance: a second start on a busy port must not end the first one's sessions.
    server.once('listening', () => {
      const bound = server.address();
      if (bound && typeof bound === 'object') {
        this.row.instance = `${hostname()}:${bound.address}:${bound.port}:${this.config.installation.dataDir}`;
        this.row.address = reachable(bound.address, bound.port);
      }
      this.task.wake();
    });
    this.task.wake(RENEW_MS);
  }

  /** Ends what hangs on the lease and takes the row away, in one transaction. */
  private async release(): Promise<void> {
    this.released = true;
    await this.task.stop();
    await this.db.tx(async (tx) => {
      while (!(await this.end(tx, this.serverId, 'stopped')));
      await this.delete(tx, this.serverId);
    });
  }

  private async round(): Promise<void> {
    this.row.load = this.load();
    try {
      await this.sealing.look();
      if (!(await this.repository.renew(this.db.manager, this.row, this.keys.writesWith))) {
        this.steadySince = null;
        this.lost = true;
        await this.repository.enter(this.db.manager, this.row);
        this.told = '';
        this.logger.warn('The lease had run out and was taken again');
      }
      if (this.lost) {
        for (const regained of this.regainedHandlers) await regained();
        this.lost = false;
      }
      await this.tellOthers();
      await this.readAgentServers();
      this.steadySince ??= performance.now();
      await this.endOthers(performance.now() - this.steadySince >= LEASE_MS);
    } catch (error) {
      this.steadySince = null;
      throw error;
    }
  }

  /** That this server has come, and where it is reached. */
  private async tellOthers(): Promise<void> {
    const { address, hopAddress } = this.row;
    const news = `${address} ${hopAddress}`;
    if (this.told === news) return;
    await this.db.tx((tx) => notify(tx, 'server_changed', this.serverId));
    this.told = news;
  }

  private async readAgentServers(): Promise<void> {
    const found = await this.repository.agentServers(this.db.manager);
    if (isDeepStrictEqual(found, this.agentServers)) return;
    this.agentServers = found;
    for (const handler of this.agentServersHandlers) handler();
  }

  private async endOthers(judgeOthers: boolean): Promise<void> {
    for (let more = true; more && !this.released; ) {
      more = await this.db.tx(async (tx) => {
        const dead = await this.repository.lockDead(tx, this.row, judgeOthers);
        if (!dead) return false;
        if (await this.end(tx, dead.serverId, 'lost')) {
          await this.delete(tx, dead.serverId);
          this.logger.warn({ server: dead }, 'The lease of another server was ended');
        }
        return true;
      });
    }
  }

  /** Takes a row away, and tells the others. */
  private async delete(tx: EntityManager, serverId: string): Promise<void> {
    await this.repository.delete(tx, serverId);
    await notify(tx, 'server_changed', serverId);
  }

  /** @returns whether nothing hangs on that lease any more. */
  private async end(tx: EntityManager, serverId: string, end: ServerEnd): Promise<boolean> {
    for (const handler of this.endHandlers) if (!(await handler(tx, serverId, end))) return false;
    return true;
  }
}

/** `host:port` under which other machines find a socket that is bound to this address. */
function reachable(address: string, port: number): string {
  const host = address === '0.0.0.0' || address === '::' ? hostname() : isIP(address) === 6 ? `[${address}]` : address;
  return `${host}:${port}`;
}
