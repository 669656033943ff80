import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';

/**
 * What the rows stand in, as far as a copy elsewhere can be told from it: the cluster, its timeline (a standby that was promoted, a recovery to a point
 * in time), the database, and the table, which a restore over what was there makes anew.
 */
const SYSTEM = `(SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/'
  || (SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || 'bundle_epoch'::regclass::oid`;

/** All SQL about the epoch. */
@Injectable()
export class EpochRepository {
  async read(em: EntityManager): Promise<number> {
    const [row] = await query<{ epoch: number }>(em, 'SELECT epoch FROM bundle_epoch');
    return row!.epoch;
  }

  /** Of several servers one raises it. @returns whether the rows were somewhere else before */
  async settle(em: EntityManager): Promise<boolean> {
    const [moved] = await query<{ raised: boolean }>(
      em,
      `WITH here AS (SELECT ${SYSTEM} AS system),
         was AS (SELECT system FROM bundle_epoch WHERE system IS DISTINCT FROM (SELECT system FROM here) FOR UPDATE)
       UPDATE bundle_epoch e SET epoch = e.epoch + (was.system IS NOT NULL)::int, system = here.system FROM here, was
       RETURNING was.system IS NOT NULL AS raised`,
    );
    return moved?.raised ?? false;
  }

  async raise(tx: EntityManager): Promise<void> {
    await execute(tx, 'UPDATE bundle_epoch SET epoch = epoch + 1');
  }
}
