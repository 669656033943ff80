import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';
import { LIVE } from '../servers.repository.js';
import type { KnownMasterKey } from './known-master-keys.js';

/** A server that does not hold a key, or does not write under it. */
export interface OtherServer {
  address: string | null;
  version: string | null;
}

const MISSING = 'SELECT address, version FROM server WHERE';

/** All SQL about master keys. */
@Injectable()
export class MasterKeysRepository {
  known(em: EntityManager): Promise<KnownMasterKey[]> {
    return query<KnownMasterKey>(em, 'SELECT fingerprint, state FROM master_key');
  }

  /** Of a database that has none yet: whoever comes first. */
  async first(em: EntityManager, fingerprint: string): Promise<void> {
    await execute(
      em,
      `INSERT INTO master_key (key_id, fingerprint, state) SELECT decode(left($1, 8), 'hex'), $1, 'writing'
       WHERE NOT EXISTS (SELECT FROM master_key) ON CONFLICT DO NOTHING`,
      [fingerprint],
    );
  }

  /** As the next one. Takes the place of one that no server has any more; another one stays. */
  async accept(tx: EntityManager, fingerprint: string): Promise<void> {
    await execute(
      tx,
      `DELETE FROM master_key k WHERE k.state = 'accepted' AND k.fingerprint <> $1
         AND NOT EXISTS (SELECT FROM server WHERE k.fingerprint = ANY (master_keys) AND ${LIVE})`,
      [fingerprint],
    );
    await execute(
      tx,
      `INSERT INTO master_key (key_id, fingerprint, state) SELECT decode(left($1, 8), 'hex'), $1, 'accepted'
       WHERE EXISTS (SELECT FROM master_key WHERE state = 'writing') ON CONFLICT DO NOTHING`,
      [fingerprint],
    );
  }

  /**
   * New values are under the accepted key from now on, once every server holds it. A server that starts meanwhile waits to enter its row, and then reads
   * what is.
   * @returns the servers that do not hold it
   */
  async switchTo(tx: EntityManager, fingerprint: string): Promise<OtherServer[]> {
    await execute(tx, 'LOCK TABLE server IN SHARE MODE');
    const lacking = await query<OtherServer>(tx, `${MISSING} ${LIVE} AND NOT $1 = ANY (master_keys)`, [fingerprint]);
    if (lacking.length > 0) return lacking;
    // One after the other: there is one of each state at any time.
    await execute(
      tx,
      `UPDATE master_key SET state = 'previous', since = now() WHERE state = 'writing'
         AND EXISTS (SELECT FROM master_key WHERE fingerprint = $1 AND state = 'accepted')`,
      [fingerprint],
    );
    await execute(
      tx,
      `UPDATE master_key SET state = 'writing', since = now() WHERE fingerprint = $1 AND state = 'accepted'`,
      [fingerprint],
    );
    return [];
  }

  /** @returns the servers that may still write under another one */
  notWriting(em: EntityManager, fingerprint: string): Promise<OtherServer[]> {
    return query<OtherServer>(em, `${MISSING} ${LIVE} AND writes_with IS DISTINCT FROM $1`, [fingerprint]);
  }

  /** @throws a foreign key violation while a value is under it */
  async removePrevious(tx: EntityManager): Promise<number> {
    return execute(tx, `DELETE FROM master_key WHERE state = 'previous'`);
  }
}
