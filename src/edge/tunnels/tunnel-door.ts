import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { TUNNEL } from '#contracts';
import { AppError, Db, toAppError } from '#platform';
import { ConnectionCredentials, outOfService } from '../../access/index.js';
import {
  refuseUpgrade,
  releaseSocket,
  type Upgrade,
  UpgradeAuthentication,
  UpgradeRouter,
} from '../../agents/index.js';
import { ServerLease } from '../../cluster/index.js';
import { TunnelTransports, transportOf } from './transports.js';
import { TunnelConnection } from './tunnel-connection.js';
import { TunnelMetrics } from './tunnel-metrics.js';
import { TunnelRegistry } from './tunnel-registry.js';
import { TunnelWatch } from './tunnel-watch.js';
import { TunnelsRepository } from './tunnels.repository.js';

/** Begins tunnels: authenticates in the HTTP upgrade, as sessions do, and lets approved sites in (docs/tunnel.md rules 1 and 2). */
@Injectable()
export class TunnelDoor implements OnModuleInit {
  private readonly logger = new Logger(TunnelDoor.name);
  private readonly transports: TunnelTransports;

  constructor(
    private readonly db: Db,
    private readonly router: UpgradeRouter,
    private readonly authentication: UpgradeAuthentication,
    private readonly connections: ConnectionCredentials,
    private readonly repository: TunnelsRepository,
    private readonly registry: TunnelRegistry,
    private readonly watch: TunnelWatch,
    private readonly metrics: TunnelMetrics,
    lease: ServerLease,
  ) {
    this.transports = new TunnelTransports(lease.serverId);
  }

  onModuleInit(): void {
    this.router.register(TUNNEL.path, (upgrade) => this.open(upgrade));
  }

  /** Answers an upgrade: 101 and a tunnel, or an error envelope. */
  private open(upgrade: Upgrade): void {
    this.begin(upgrade).catch((error: unknown) => {
      const refusal = toAppError(error);
      if (refusal.code === 'internal') this.logger.error({ err: error }, 'A tunnel could not begin');
      refuseUpgrade(upgrade.socket, refusal);
    });
  }

  private async begin(upgrade: Upgrade): Promise<void> {
    const { request, socket, head } = upgrade;
    const kind = transportOf(request);
    if (!kind)
      throw new AppError('validation', `This path upgrades to ${TUNNEL.protocol} or websocket (RFC 6455, version 13)`);
    this.requireRunning();
    const bearer = await this.authentication.bearerOf(upgrade);
    const asked = performance.now();
    const [site] = await this.repository.usable(this.db.manager, [bearer]);
    if (!site) throw await this.authentication.refusalOf(bearer);
    if (site.closed) throw outOfService();
    if (site.status !== 'approved')
      throw new AppError('pending_approval', 'The site has no tunnel before it is approved');
    this.registry.requireRoom(site.orgId);
    this.requireRunning();
    if (!socket.readable || !socket.writable) return void socket.destroy();
    this.connections.handedOver(socket);
    const upgraded = await this.transports.accept(kind, request, socket, head);
    if (!upgraded) return void socket.destroy();
    releaseSocket(socket);
    const { siteId, credentialId, orgId, endsIn } = site;
    const owner = { siteId, credentialId, orgId, endsAt: endsIn === null ? Infinity : asked + endsIn };
    const connection = new TunnelConnection(upgraded.duplex, owner, upgraded.transport);
    this.metrics.opened(connection);
    this.registry.enter(connection);
    // A notice that came since its row was read found nothing to end.
    this.watch.look([siteId]);
  }

  private requireRunning(): void {
    if (this.registry.draining) throw new AppError('shutting_down', 'The server is stopping', { retryAfter: 1 });
  }
}
