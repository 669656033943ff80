import { type DynamicModule, Global, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { DataSource, type MixedList } from 'typeorm';
import { Config } from '../config/config.js';
import { databaseAway, databaseFull } from '../errors.js';
import { Drain } from '../runtime/drain.js';
import { Readiness } from '../runtime/readiness.js';
import { clientOptions, DatabaseClient } from './database-client.js';
import { Db } from './db.js';
import { DatabaseDisk } from './disk.js';
import { EventFeedMonitor } from './event-feed-monitor.js';
import { DatabaseHealth } from './health.js';
import { NamingStrategy } from './naming.js';
import { PgNotifications } from './pg-notifications.js';
import type { StartupRetryOptions } from './startup-retry.js';

type Classes = MixedList<abstract new () => object>;

/** For a connection to come free, or to be made. */
const CONNECT_MS = 10_000;
/** Bounds of the server's statements, kept by PostgreSQL; a transaction whose process stopped between two of them lets go of its locks. */
const SERVER_SETTINGS = {
  statement_timeout: '10000',
  lock_timeout: '5000',
  idle_in_transaction_session_timeout: '5000',
};
/** A connection that is silent for longer than any statement may take is dead. */
const SILENT_MS = 12_000;

/** @returns an unconnected data source whose pool is made of `DatabaseClient`s; every wait in it has a bound. */
export function createDataSource(url: string, poolSize: number, entities: Classes): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    entities: entities as never,
    namingStrategy: new NamingStrategy(),
    parseInt8: true,
    applicationName: 'gatehouse',
    poolSize,
    connectTimeoutMS: CONNECT_MS,
    extra: {
      ...clientOptions(url, 'gatehouse', SERVER_SETTINGS),
      Client: DatabaseClient,
      pipeline: true,
      query_timeout: SILENT_MS,
      idleTimeoutMillis: 60_000,
    },
    poolErrorHandler: () => undefined,
    logging: false,
  });
}

/** main fills it in once the embedded database runs. */
function urlOf(config: Config): string {
  if (!config.database.url) throw new Error('The database was not started');
  return config.database.url;
}

/** How a start with this configuration waits. */
export const startupRetryOptions = (config: Config, say: (text: string) => void): StartupRetryOptions => ({
  ms: config.database.startWaitSeconds * 1000,
  say,
});

/** Owns the connection pool, the notices and the health of the database, and says how ready it is. */
@Global()
@Module({})
export class DatabaseModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly dataSource: DataSource,
    private readonly health: DatabaseHealth,
    private readonly disk: DatabaseDisk,
    private readonly feed: EventFeedMonitor,
    private readonly readiness: Readiness,
    private readonly drain: Drain,
  ) {}

  onModuleInit(): void {
    this.readiness.register('database', async () => {
      if (!(await this.health.check())) return { notReady: databaseAway() };
      const { silentFor } = this.health;
      return silentFor === 0 ? 'ok' : { degraded: `slow: no answer for ${silentFor} s` };
    });
    this.readiness.register('disk', () => (this.disk.isFull ? { notReady: databaseFull() } : 'ok'));
    this.readiness.register('eventFeed', () => {
      const seconds = this.feed.heldBackFor;
      return seconds === 0 ? 'ok' : { degraded: `held back for ${seconds} s by an open transaction` };
    });
    this.drain.register('close database', 'connections', () => this.onApplicationShutdown());
  }

  static forRoot(entities: Classes): DynamicModule {
    return {
      module: DatabaseModule,
      providers: [
        {
          provide: DataSource,
          inject: [Config],
          useFactory: (config: Config) =>
            createDataSource(urlOf(config), config.database.poolSize, entities).initialize(),
        },
        {
          provide: DatabaseHealth,
          inject: [Config],
          useFactory: (config: Config) => new DatabaseHealth(urlOf(config)),
        },
        {
          provide: PgNotifications,
          inject: [Config, DataSource],
          useFactory: async (config: Config) => {
            const notifications = new PgNotifications(urlOf(config));
            await notifications.start();
            return notifications;
          },
        },
        DatabaseDisk,
        EventFeedMonitor,
        Db,
      ],
      exports: [DataSource, DatabaseHealth, DatabaseDisk, EventFeedMonitor, PgNotifications, Db],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }
}
