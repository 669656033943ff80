import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { SigningJwk } from '#contracts';
import { execute, query } from '#platform';

export interface SigningKeyRow {
  seq: number;
  kid: string;
  publicKey: SigningJwk;
  /** Of a key that signs, or may sign next; null for one that is kept apart or was succeeded. */
  sealedKey: Buffer | null;
  /** The statement by which the key before named this one; null for the first. */
  succession: string | null;
  state: 'next' | 'current' | 'retired';
  createdAt: Date;
  retiredAt: Date | null;
}

export type NewSigningKey = Pick<SigningKeyRow, 'seq' | 'kid' | 'publicKey' | 'sealedKey' | 'state'>;

const COLUMNS = `seq, kid, public_key AS "publicKey", sealed_key AS "sealedKey", succession, state, created_at AS "createdAt", retired_at AS "retiredAt"`;

/** All SQL about the keys that sign for organizations. */
@Injectable()
export class SigningKeysRepository {
  /** Oldest first. */
  of(em: EntityManager, orgUid: string): Promise<SigningKeyRow[]> {
    return query<SigningKeyRow>(em, `SELECT ${COLUMNS} FROM signing_key WHERE org_uid = $1 ORDER BY seq`, [orgUid]);
  }

  /** Of two at once the first stays, with all its rows. */
  async insert(em: EntityManager, orgUid: string, keys: NewSigningKey[]): Promise<void> {
    await execute(
      em,
      `INSERT INTO signing_key (org_uid, seq, kid, public_key, sealed_key, state)
       SELECT $1, k.seq, k.kid, k.public_key, k.sealed_key, k.state
       FROM unnest($2::int[], $3::text[], $4::jsonb[], $5::bytea[], $6::text[]) AS k(seq, kid, public_key, sealed_key, state) ORDER BY k.seq
       ON CONFLICT DO NOTHING`,
      [
        orgUid,
        keys.map((key) => key.seq),
        keys.map((key) => key.kid),
        keys.map((key) => JSON.stringify(key.publicKey)),
        keys.map((key) => key.sealedKey),
        keys.map((key) => key.state),
      ],
    );
  }

  /** The private half goes. @returns false when another key is the current one by now. */
  async retire(tx: EntityManager, orgUid: string, kid: string): Promise<boolean> {
    const retired = await execute(
      tx,
      `UPDATE signing_key SET state = 'retired', retired_at = now(), sealed_key = NULL WHERE org_uid = $1 AND kid = $2 AND state = 'current'`,
      [orgUid, kid],
    );
    return retired === 1;
  }

  /** How many keys were succeeded in the last thirty days. */
  async retiredLately(tx: EntityManager, orgUid: string): Promise<number> {
    const [row] = await query<{ n: number }>(
      tx,
      `SELECT count(*) AS n FROM signing_key WHERE org_uid = $1 AND retired_at > now() - interval '30 days'`,
      [orgUid],
    );
    return row!.n;
  }

  /** @returns false when it is not the next one, or its private half was taken out or not, other than the caller saw. */
  async promote(
    tx: EntityManager,
    orgUid: string,
    key: { kid: string; sealedKey: Buffer; succession: string; wasApart: boolean },
  ): Promise<boolean> {
    const promoted = await execute(
      tx,
      `UPDATE signing_key SET state = 'current', sealed_key = $3, succession = $4
       WHERE org_uid = $1 AND kid = $2 AND state = 'next' AND (sealed_key IS NULL) = $5`,
      [orgUid, key.kid, key.sealedKey, key.succession, key.wasApart],
    );
    return promoted === 1;
  }

  /** Locks the next key. @returns it, or undefined where the organization has no keys yet */
  async lockNext(tx: EntityManager, orgUid: string): Promise<SigningKeyRow | undefined> {
    const [row] = await query<SigningKeyRow>(
      tx,
      `SELECT ${COLUMNS} FROM signing_key WHERE org_uid = $1 AND state = 'next' FOR UPDATE`,
      [orgUid],
    );
    return row;
  }

  async forgetPrivateHalf(tx: EntityManager, orgUid: string, kid: string): Promise<void> {
    await execute(tx, 'UPDATE signing_key SET sealed_key = NULL WHERE org_uid = $1 AND kid = $2', [orgUid, kid]);
  }
}
