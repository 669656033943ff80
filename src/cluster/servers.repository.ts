import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query, type ServerRole } from '#platform';

/** What a server process says of itself. */
export interface ServerRow {
  serverId: string;
  version: string;
  /** Host, address, port and data folder: the next life of the same place recognises this one. Null until the server listens. */
  instance: string | null;
  /** Where other servers reach it. Null until the server listens. */
  address: string | null;
  roles: ServerRole[];
  /** Where agents reach it with their tunnels; '': where their session is. */
  agentUrl: string;
  /** Where other server processes reach its tunnels, `host:port`; '': nowhere. */
  hopAddress: string;
  /** Tunnels that it holds. */
  load: number;
  /** Fingerprints of the master keys that it holds (docs/credentials.md §8). */
  masterKeys: string[];
}

/** A server that takes agents, and where they reach it with their tunnels. */
export interface AgentServer {
  serverId: string;
  url: string;
}

/** Another server whose row this one may end. */
export interface DeadServer {
  serverId: string;
  address: string | null;
  version: string | null;
}

const LEASE = `interval '30 seconds'`;
/** A server of 0.1.0 writes only when it has renewed. */
const EXPIRES = `coalesce(lease_expires_at, renewed_at + ${LEASE})`;
export const LIVE = `${EXPIRES} > now()`;

/** All SQL about server processes. */
@Injectable()
export class ServersRepository {
  /** Makes the row of a server, or makes it anew; its lease is whole afterwards. */
  async enter(em: EntityManager, row: ServerRow): Promise<void> {
    await execute(
      em,
      `INSERT INTO server (server_id, version, instance, address, roles, master_keys, agent_url, hop_address, load, lease_expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + ${LEASE})
       ON CONFLICT (server_id) DO UPDATE SET renewed_at = now(), lease_since = now(), lease_expires_at = excluded.lease_expires_at,
         instance = excluded.instance, address = excluded.address, hop_address = excluded.hop_address, load = excluded.load`,
      [
        row.serverId,
        row.version,
        row.instance,
        row.address,
        row.roles,
        row.masterKeys,
        row.agentUrl,
        row.hopAddress,
        row.load,
      ],
    );
  }

  /** Since when there has been a server that takes sessions, without a break in its lease. @returns null when there is none now */
  async sessionsTakenSince(em: EntityManager): Promise<Date | null> {
    const [row] = await query<{ since: Date | null }>(
      em,
      `SELECT min(lease_since) AS since FROM server WHERE 'agents' = ANY (roles) AND ${LIVE}`,
    );
    return row!.since;
  }

  /** The servers that take agents. */
  agentServers(em: EntityManager): Promise<AgentServer[]> {
    return query<AgentServer>(
      em,
      `SELECT server_id AS "serverId", agent_url AS url FROM server WHERE 'agents' = ANY (roles) AND ${LIVE} ORDER BY server_id`,
    );
  }

  /**
   * Where the tunnels of other servers are reached. Also those whose lease is over: after an outage of the database all are, until each is renewed, and
   * rows of servers that are dead are taken away.
   */
  async hopAddresses(em: EntityManager, serverId: string): Promise<string[]> {
    const rows = await query<{ address: string }>(
      em,
      `SELECT DISTINCT hop_address AS address FROM server WHERE server_id <> $1 AND hop_address <> ''`,
      [serverId],
    );
    return rows.map((row) => row.address);
  }

  /** Where all servers are reached: by each other, and by agents. */
  async listeners(em: EntityManager): Promise<string[]> {
    const rows = await query<{ at: string }>(
      em,
      `SELECT DISTINCT l.at FROM server s, unnest(ARRAY[s.address, s.agent_url, s.hop_address]) AS l(at) WHERE l.at <> ''`,
    );
    return rows.map((row) => row.at);
  }

  /** The row cannot be taken away until this transaction ends. @returns false when it is gone. */
  async hold(tx: EntityManager, serverId: string): Promise<boolean> {
    const rows = await prepared(tx, 'server_hold', 'SELECT 1 FROM server WHERE server_id = $1 FOR KEY SHARE', [
      serverId,
    ]);
    return rows.length > 0;
  }

  /**
   * Makes the lease whole, unless it had run out, and writes what the server has come to know of itself, in one statement: between two, a
   * process that stands still may lose its row and not notice. @returns false when the lease had run out or the row is gone: others may have
   * ended what hangs on it.
   */
  async renew(
    em: EntityManager,
    row: Pick<ServerRow, 'serverId' | 'instance' | 'address' | 'hopAddress' | 'load'>,
    writesWith: string,
  ): Promise<boolean> {
    const renewed = await execute(
      em,
      `UPDATE server SET renewed_at = now(), lease_expires_at = now() + ${LEASE}, instance = $2, address = $3, writes_with = $4,
         hop_address = $5, load = $6
       WHERE server_id = $1 AND ${LIVE}`,
      [row.serverId, row.instance, row.address, writesWith, row.hopAddress, row.load],
    );
    return renewed > 0;
  }

  /**
   * Locks one row whose lease has run out (with `judgeOthers`), or that is an earlier life of this very instance; one that somebody else is
   * dealing with is skipped.
   */
  async lockDead(
    tx: EntityManager,
    own: Pick<ServerRow, 'serverId' | 'instance'>,
    judgeOthers: boolean,
  ): Promise<DeadServer | undefined> {
    const [row] = await query<DeadServer>(
      tx,
      `SELECT server_id AS "serverId", address, version FROM server
       WHERE server_id <> $1 AND (($3 AND ${EXPIRES} < now()) OR instance = $2)
       LIMIT 1 FOR UPDATE SKIP LOCKED`,
      [own.serverId, own.instance, judgeOthers],
    );
    return row;
  }

  /** Takes a duty that nobody has. It goes with the row of the server. @returns whether the server has it, and its lease is whole */
  async takeDuty(em: EntityManager, serverId: string, duty: string): Promise<boolean> {
    const [row] = await query<{ mine: boolean }>(
      em,
      `WITH live AS (SELECT server_id FROM server WHERE server_id = $1 AND ${LIVE}),
         taken AS (INSERT INTO server_duty (duty, server_id) SELECT $2, server_id FROM live ON CONFLICT DO NOTHING RETURNING server_id)
       SELECT EXISTS (SELECT FROM taken UNION ALL SELECT FROM server_duty JOIN live USING (server_id) WHERE duty = $2) AS mine`,
      [serverId, duty],
    );
    return row!.mine;
  }

  /** Nobody else gets this duty until the transaction ends. @returns false when the server does not have it (any more) */
  async holdDuty(tx: EntityManager, serverId: string, duty: string): Promise<boolean> {
    const rows = await query(tx, 'SELECT FROM server_duty WHERE server_id = $1 AND duty = $2 FOR KEY SHARE', [
      serverId,
      duty,
    ]);
    return rows.length > 0;
  }

  async delete(tx: EntityManager, serverId: string): Promise<void> {
    await execute(tx, 'DELETE FROM server WHERE server_id = $1', [serverId]);
  }
}
