import { Module } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { AccessModule } from '../access/index.js';
import { BlueprintsModule } from '../blueprints/index.js';
import { ProvisioningModule } from '../provisioning/index.js';
import { SitesModule } from '../sites/index.js';
import { AgentDownloadController, AgentFiles } from './agent-download.controller.js';
import { AgentsController } from './agents.controller.js';
import { AgentsGateway } from './agents.gateway.js';
import { AgentsRepository } from './agents.repository.js';
import { AgentsService } from './agents.service.js';
import { DeliveryService } from './delivery.service.js';
import { KeepAliveService } from './keep-alive.service.js';
import { LeaseService } from './lease.service.js';
import { MessageDispatch } from './message-dispatch.js';
import { MessageErrorFilter } from './messages.js';
import { PresenceRepository } from './presence.repository.js';
import { PresenceService } from './presence.service.js';
import { SessionDoor } from './session-door.js';
import { SessionRegistry } from './session-registry.js';
import { SessionTokens } from './session-tokens.js';
import { ShutdownService } from './shutdown.service.js';
import { SiteBlueprints } from './site-blueprints.service.js';
import { UpgradeRouter } from './upgrade-router.js';

/** Agent sessions: tokens, the gateway, presence, delivery of desired state. */
@Module({
  imports: [AccessModule, BlueprintsModule, ProvisioningModule, SitesModule],
  controllers: [AgentsController, AgentDownloadController],
  providers: [
    AgentFiles, AgentsGateway, AgentsRepository, AgentsService, DeliveryService, KeepAliveService, LeaseService, MessageDispatch, MessageErrorFilter,
    PresenceRepository, PresenceService, SessionDoor, SessionRegistry, SessionTokens, ShutdownService, SiteBlueprints, UpgradeRouter,
  ],
  exports: [SessionTokens, UpgradeRouter],
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
