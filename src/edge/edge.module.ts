import { Module } from '@nestjs/common';
import { AccessModule } from '../access/index.js';
import { AgentsModule } from '../agents/index.js';
import { ClusterModule } from '../cluster/index.js';
import { ResourcesModule } from '../resources/index.js';
import { AccessRepository } from './access/access.repository.js';
import { AccessCookies } from './access/access-cookies.js';
import { Assertions } from './access/assertions.js';
import { BasicCredentials } from './access/basic-credentials.js';
import { EdgeAccess } from './access/edge-access.js';
import { Guesses } from './access/guesses.js';
import { LoginAttempts } from './access/login-attempts.js';
import { LoginForms } from './access/login-forms.js';
import { LoginRequests } from './access/login-requests.js';
import { MailCodes } from './access/mail-codes.js';
import { SecretChecks } from './access/secret-checks.js';
import { SessionUses } from './access/session-uses.js';
import { SsoController } from './access/sso.controller.js';
import { SsoService } from './access/sso.service.js';
import { Standings } from './access/standings.js';
import { SiteDialer } from './dialing/site-dialer.js';
import { HopListener } from './hops/hop-listener.js';
import { Hops } from './hops/hops.js';
import { LocalChecksRepository } from './local/local-checks.repository.js';
import { LocalChecks } from './local/local-checks.service.js';
import { LocalDialing } from './local/local-dialing.js';
import { LogsModule } from './logs/logs.module.js';
import { Geography } from './policy/geography.js';
import { RawListener } from './raw/raw-listener.js';
import { RawRoutesRepository } from './raw/raw-routes.repository.js';
import { RouteLoader } from './routing/route-loader.js';
import { RouteTable } from './routing/route-table.js';
import { RoutesRepository } from './routing/routes.repository.js';
import { EdgeCertificates } from './server/edge-certificates.js';
import { EdgeHandler } from './server/edge-handler.js';
import { EdgeListener } from './server/edge-listener.js';
import { Forwarder } from './server/forwarder.js';
import { InternalListener } from './server/internal-listener.js';
import { LinkPool } from './server/link-pool.js';
import { SessionPool } from './server/session-pool.js';
import { TargetDialer } from './server/target-dialer.js';
import { TunnelDoor } from './tunnels/tunnel-door.js';
import { TunnelKeeper } from './tunnels/tunnel-keeper.js';
import { TunnelMetrics } from './tunnels/tunnel-metrics.js';
import { TunnelRegistry } from './tunnels/tunnel-registry.js';
import { TunnelWatch } from './tunnels/tunnel-watch.js';
import { TunnelsRepository } from './tunnels/tunnels.repository.js';

/** The traffic that goes through: the tunnels of agents, and the listener for public resources that leads into them. */
@Module({
  imports: [AccessModule, AgentsModule, ClusterModule, LogsModule, ResourcesModule],
  controllers: [SsoController],
  providers: [
    AccessCookies,
    AccessRepository,
    Assertions,
    BasicCredentials,
    EdgeAccess,
    Guesses,
    LoginAttempts,
    LoginForms,
    LoginRequests,
    MailCodes,
    EdgeCertificates,
    EdgeHandler,
    EdgeListener,
    InternalListener,
    Forwarder,
    Geography,
    HopListener,
    Hops,
    LinkPool,
    SessionPool,
    LocalChecks,
    LocalDialing,
    LocalChecksRepository,
    SiteDialer,
    TargetDialer,
    RawListener,
    RawRoutesRepository,
    RouteLoader,
    RouteTable,
    RoutesRepository,
    SecretChecks,
    SessionUses,
    SsoService,
    Standings,
    TunnelDoor,
    TunnelKeeper,
    TunnelMetrics,
    TunnelRegistry,
    TunnelWatch,
    TunnelsRepository,
  ],
})
export class EdgeModule {}
