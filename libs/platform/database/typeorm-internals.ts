import type { Pool, PoolClient } from 'pg';
import type { DataSource, QueryRunner } from 'typeorm';

/**
 * What is used of TypeORM beyond what it documents. `test/integration/internals.int-spec.ts` shows that the installed version is built so.
 */

/** The pool of a connected data source: `driver.master`. */
export const poolOf = (dataSource: DataSource): Pool => (dataSource.driver as unknown as { master: Pool }).master;

/** The connection of a query runner, which it takes from the pool when it has none yet. */
export const clientOf = async (runner: QueryRunner): Promise<PoolClient> => (await runner.connect()) as PoolClient;
