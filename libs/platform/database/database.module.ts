import { Global, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { DataSource, type MixedList } from 'typeorm';
import { Config } from '../config.js';
import { Db } from './db.js';
import { DatabaseHealth } from './health.js';
import { migrate } from './migrate.js';
import { NamingStrategy } from './naming.js';
import { Notices } from './notices.js';

// int8 as number: ids and counters stay far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/**
 * A pooled connection with a listener of its own for errors: between one user's release and the next one's take nobody else listens, and an
 * error that nobody listens to ends the process.
 */
class PooledClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

type Classes = MixedList<abstract new () => object>;

/** @returns an unconnected data source; every timeout is below the 5 s within which an API must say that the database is away. */
export function createDataSource(url: string, poolSize: number, entities: Classes): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    entities: entities as never,
    namingStrategy: new NamingStrategy(),
    parseInt8: true,
    applicationName: 'gatehouse',
    poolSize,
    connectTimeoutMS: 3000,
    extra: { Client: PooledClient, pipeline: true, query_timeout: 4500, statement_timeout: 4400, keepAlive: true, idleTimeoutMillis: 60_000 },
    poolErrorHandler: () => undefined,
    logging: false,
  });
}

/** main fills it in once the embedded database runs. */
function urlOf(config: Config): string {
  if (!config.databaseUrl) throw new Error('The database was not started');
  return config.databaseUrl;
}

/** Owns the connection pool, the notices and the health of the database; migrates before anything else may look at it. */
@Global()
@Module({})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(private readonly dataSource: DataSource) {}

  static forRoot(entities: Classes, migrations: Classes): DynamicModule {
    return {
      module: DatabaseModule,
      providers: [
        {
          provide: DataSource,
          inject: [Config],
          useFactory: async (config: Config) => {
            const url = urlOf(config);
            await migrate(url, migrations);
            return createDataSource(url, config.databasePoolSize, entities).initialize();
          },
        },
        { provide: DatabaseHealth, inject: [Config], useFactory: (config: Config) => new DatabaseHealth(urlOf(config)) },
        {
          provide: Notices,
          inject: [Config, DataSource],
          useFactory: async (config: Config) => {
            const notices = new Notices(urlOf(config));
            await notices.start();
            return notices;
          },
        },
        Db,
      ],
      exports: [DataSource, DatabaseHealth, Notices, Db],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }
}
