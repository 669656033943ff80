import { Module } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { AccessModule } from '../access/index.js';
import { BlueprintsModule } from '../blueprints/index.js';
import { ClusterModule } from '../cluster/index.js';
import { InstancesModule } from '../instances/index.js';
import { ProvisioningModule } from '../provisioning/index.js';
import { ResourcesModule } from '../resources/index.js';
import { SitesModule } from '../sites/index.js';
import { AgentsController } from './agents.controller.js';
import { AgentsRepository } from './agents.repository.js';
import { AgentsService } from './agents.service.js';
import { SiteBlueprints } from './blueprints/site-blueprints.service.js';
import { SessionBundles } from './bundles/session-bundles.service.js';
import { SessionCredentials } from './credentials/session-credentials.service.js';
import { DeliveryService } from './delivery/delivery.service.js';
import { DesiredLists } from './delivery/desired-lists.repository.js';
import { AgentDownloadController, AgentFiles } from './download/agent-download.controller.js';
import { SiteExpiryRepository } from './expiry/site-expiry.repository.js';
import { SiteExpiry } from './expiry/site-expiry.service.js';
import { AgentsGateway } from './gateway/agents.gateway.js';
import { ClosedOrgSessions } from './gateway/closed-org-sessions.js';
import { KeepAliveService } from './gateway/keep-alive.service.js';
import { MessageDispatch } from './gateway/message-dispatch.js';
import { MessageErrorFilter } from './gateway/messages.js';
import { SessionDrain } from './gateway/session-drain.js';
import { SessionEnds } from './gateway/session-ends.js';
import { SessionHandshake } from './gateway/session-handshake.js';
import { SessionRegistry } from './gateway/session-registry.js';
import { SessionRestarts } from './gateway/session-restarts.js';
import { SessionTunnels } from './gateway/session-tunnels.js';
import { UpgradeAuthentication } from './gateway/upgrade-authentication.js';
import { UpgradeRouter } from './gateway/upgrade-router.js';
import { SessionHealth } from './health/session-health.service.js';
import { HealthChecksRepository } from './newt/health-checks.repository.js';
import { NewtsService } from './newt/newts.service.js';
import { PresenceRepository } from './presence/presence.repository.js';
import { PresenceService } from './presence/presence.service.js';
import { PresenceLease } from './presence/presence-lease.js';
import { SiteSessionsController } from './sessions/site-sessions.controller.js';
import { SiteSessionsRepository } from './sessions/site-sessions.repository.js';
import { StatsController } from './stats/stats.controller.js';
import { StatsRepository } from './stats/stats.repository.js';
import { StatsService } from './stats/stats.service.js';

/** Agent sessions: tokens, the gateway, presence, delivery of desired state. */
@Module({
  imports: [
    AccessModule,
    BlueprintsModule,
    ClusterModule,
    InstancesModule,
    ProvisioningModule,
    ResourcesModule,
    SitesModule,
  ],
  controllers: [AgentsController, AgentDownloadController, SiteSessionsController, StatsController],
  providers: [
    AgentFiles,
    AgentsGateway,
    AgentsRepository,
    AgentsService,
    ClosedOrgSessions,
    DeliveryService,
    DesiredLists,
    KeepAliveService,
    StatsRepository,
    StatsService,
    MessageDispatch,
    HealthChecksRepository,
    MessageErrorFilter,
    NewtsService,
    PresenceLease,
    PresenceRepository,
    PresenceService,
    SessionBundles,
    SessionCredentials,
    SessionDrain,
    SessionEnds,
    SessionHandshake,
    SessionHealth,
    SessionRegistry,
    SessionRestarts,
    SessionTunnels,
    SiteBlueprints,
    SiteExpiry,
    SiteExpiryRepository,
    SiteSessionsRepository,
    UpgradeAuthentication,
    UpgradeRouter,
  ],
  exports: [DesiredLists, SessionRestarts, UpgradeAuthentication, UpgradeRouter],
})
export class AgentsModule {
  constructor(registry: SessionRegistry) {
    sessionGauge.count = () => registry.open.size;
  }
}

const sessionGauge = { count: () => 0 };
new Gauge({
  name: 'gatehouse_agent_sessions',
  help: 'Open agent sessions of this process',
  collect() {
    this.set(sessionGauge.count());
  },
});
