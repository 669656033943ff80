import { type DynamicModule, Global, Module } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import { Config, DatabaseModule, loggerOptions, MetricsModule, PlatformModule } from '#platform';
import { AccessModule, ApiKey, Role, User } from './access/index.js';
import { AgentsModule } from './agents/index.js';
import { ApprovalsModule, Tombstone } from './approvals/index.js';
import { AuditModule } from './audit/index.js';
import { BlueprintsModule } from './blueprints/index.js';
import { ClientsModule } from './clients/index.js';
import { ClusterModule } from './cluster/index.js';
import { EdgeModule } from './edge/index.js';
import { FirstRunModule } from './first-run/index.js';
import { HealthModule } from './health/index.js';
import { InstancesModule } from './instances/index.js';
import { JobsModule } from './jobs/index.js';
import { OperationsModule } from './operations/index.js';
import { Org, OrgsModule } from './orgs/index.js';
import { Profile, ProvisioningModule, Template } from './provisioning/index.js';
import { ResourcesModule } from './resources/index.js';
import { SiteGroup, SitesModule } from './sites/index.js';

/** Entities that modules own; each module exports its list. */
const ENTITIES: (abstract new () => object)[] = [ApiKey, Org, Role, User, SiteGroup, Tombstone, Profile, Template];

@Global()
@Module({})
class ConfigModule {
  static forRoot(config: Config): DynamicModule {
    return { module: ConfigModule, providers: [{ provide: Config, useValue: config }], exports: [Config] };
  }
}

/** What every program of the server stands on: its configuration, the database (migrated before: `prepareDatabase`), the platform. */
export const foundation = (config: Config) => [
  ConfigModule.forRoot(config),
  DatabaseModule.forRoot(ENTITIES),
  PlatformModule,
];

/** The modules in layer order: a module uses only what stands above it in this list. */
@Module({})
export class AppModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        LoggerModule.forRoot(loggerOptions(config.log.level)),
        ...foundation(config),
        MetricsModule,
        HealthModule,
        AuditModule,
        JobsModule,
        ClusterModule,
        AccessModule,
        OrgsModule,
        SitesModule,
        ClientsModule,
        ResourcesModule,
        BlueprintsModule,
        ApprovalsModule,
        ProvisioningModule,
        InstancesModule,
        AgentsModule,
        EdgeModule,
        OperationsModule,
        FirstRunModule,
      ],
    };
  }
}
