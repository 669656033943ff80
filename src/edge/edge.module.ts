import { Module } from '@nestjs/common';
import { AccessModule } from '../access/index.js';
import { AgentsModule } from '../agents/index.js';
import { ClusterModule } from '../cluster/index.js';
import { RouteLoader } from './routing/route-loader.js';
import { RouteTable } from './routing/route-table.js';
import { RoutesRepository } from './routing/routes.repository.js';
import { TunnelDoor } from './tunnels/tunnel-door.js';
import { TunnelKeeper } from './tunnels/tunnel-keeper.js';
import { TunnelMetrics } from './tunnels/tunnel-metrics.js';
import { TunnelRegistry } from './tunnels/tunnel-registry.js';
import { TunnelWatch } from './tunnels/tunnel-watch.js';
import { TunnelsRepository } from './tunnels/tunnels.repository.js';

/** The traffic that goes through: as of now the tunnels of agents, and what it is decided by. */
@Module({
  imports: [AccessModule, AgentsModule, ClusterModule],
  providers: [
    RouteLoader,
    RouteTable,
    RoutesRepository,
    TunnelDoor,
    TunnelKeeper,
    TunnelMetrics,
    TunnelRegistry,
    TunnelWatch,
    TunnelsRepository,
  ],
})
export class EdgeModule {}
