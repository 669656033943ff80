import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';
import type { ClientView, UpdateClientBody } from './clients.dto.js';

/** A client as it is read. */
export interface StoredClient extends ClientView {
  version: number;
}

export interface ClientInsert {
  niceId: string;
  name: string;
  olmId: string;
  secretHash: Buffer;
  /** `a.b.c.d/prefix` */
  address: string;
}

/** In the order that clients know (docs/integration-api.md §3.12). */
export const CLIENT_COLUMNS = `
  c.client_id AS "clientId", c.org_id AS "orgId", NULL::int AS "exitNodeId", c.user_id AS "userId", c.nice_id AS "niceId", c.name, NULL AS "pubKey", c.olm_id AS "olmId",
  c.address::text AS subnet, 0 AS "megabytesIn", 0 AS "megabytesOut", NULL AS "lastBandwidthUpdate", NULL::int AS "lastPing", c.type, false AS online,
  NULL::int AS "lastHolePunch", c.archived, c.blocked, c.approval_state AS "approvalState"`;

/** All SQL about clients but the lists, which are in client-reads.ts. */
@Injectable()
export class ClientsRepository {
  async orgOf(em: EntityManager, clientId: number): Promise<string | null> {
    const [row] = await prepared<{ orgId: string }>(
      em,
      'client_org',
      'SELECT org_id AS "orgId" FROM client WHERE client_id = $1',
      [clientId],
    );
    return row?.orgId ?? null;
  }

  async find(em: EntityManager, orgId: string, clientId: number): Promise<StoredClient | null> {
    const text = `SELECT ${CLIENT_COLUMNS}, c.version FROM client c WHERE c.org_id = $1 AND c.client_id = $2`;
    const [row] = await prepared<StoredClient>(em, 'client_one', text, [orgId, clientId]);
    return row ?? null;
  }

  /** Locks the row until the end of the transaction. */
  async lock(tx: EntityManager, orgId: string, clientId: number): Promise<StoredClient | null> {
    const text = `SELECT ${CLIENT_COLUMNS}, c.version FROM client c WHERE c.org_id = $1 AND c.client_id = $2 FOR NO KEY UPDATE`;
    const [row] = await prepared<StoredClient>(tx, 'client_lock', text, [orgId, clientId]);
    return row ?? null;
  }

  /** @returns those that the organization has; they stay until the end of the transaction. */
  async among(
    tx: EntityManager,
    orgId: string,
    clientIds: number[],
  ): Promise<{ clientId: number; userId: string | null }[]> {
    return query(
      tx,
      'SELECT client_id AS "clientId", user_id AS "userId" FROM client WHERE org_id = $1 AND client_id = ANY($2::bigint[]) ORDER BY client_id FOR KEY SHARE',
      [orgId, clientIds],
    );
  }

  /** @throws unique violation of `client_olm_id_key`, `client_org_id_nice_id_key`. */
  async insert(tx: EntityManager, orgId: string, c: ClientInsert): Promise<StoredClient> {
    const [row] = await prepared<StoredClient>(
      tx,
      'client_insert',
      `INSERT INTO client AS c (org_id, nice_id, name, olm_id, secret_hash, address) VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${CLIENT_COLUMNS}, c.version`,
      [orgId, c.niceId, c.name, c.olmId, c.secretHash, c.address],
    );
    return row!;
  }

  /** Sets what is given in a row that the transaction holds locked. @throws unique violation of `client_org_id_nice_id_key`. */
  async update(tx: EntityManager, orgId: string, clientId: number, f: UpdateClientBody): Promise<StoredClient> {
    const [row] = await query<StoredClient>(
      tx,
      `UPDATE client c SET name = coalesce($3, name), nice_id = coalesce($4, nice_id) WHERE org_id = $1 AND client_id = $2 RETURNING ${CLIENT_COLUMNS}, c.version`,
      [orgId, clientId, f.name ?? null, f.niceId ?? null],
    );
    return row!;
  }

  /** @returns false when the client is so already, or not there; so does `setBlocked`. */
  async setArchived(tx: EntityManager, orgId: string, clientId: number, archived: boolean): Promise<boolean> {
    return (
      (await execute(tx, 'UPDATE client SET archived = $3 WHERE org_id = $1 AND client_id = $2 AND archived <> $3', [
        orgId,
        clientId,
        archived,
      ])) > 0
    );
  }

  /** A blocked client is a denied one (docs/integration-api.md §3.12). */
  async setBlocked(tx: EntityManager, orgId: string, clientId: number, blocked: boolean): Promise<boolean> {
    const text = `UPDATE client SET blocked = $3, approval_state = CASE WHEN $3 THEN 'denied' END WHERE org_id = $1 AND client_id = $2 AND blocked <> $3`;
    return (await execute(tx, text, [orgId, clientId, blocked])) > 0;
  }

  async delete(tx: EntityManager, orgId: string, clientId: number): Promise<void> {
    await execute(tx, 'DELETE FROM client WHERE org_id = $1 AND client_id = $2', [orgId, clientId]);
  }
}
