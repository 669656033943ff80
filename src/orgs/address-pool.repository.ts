import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type ExportSource, execute, exportOfRows, prepared, query } from '#platform';

/** A stretch of addresses that the caller now owns: `first`, and how many from there on. */
export interface Taken {
  first: string;
  count: number;
  /** Length of the network prefix of the range they come from. */
  prefix: number;
}

export interface RangeRow {
  rangeId: number;
  cidr: string;
  size: number;
  free: number;
  reserved: number;
}

/** A free run as the row says after it was locked. */
interface Run {
  runId: number;
  next: string;
  last: string;
}

/** All SQL about the addresses of an organization. */
@Injectable()
export class AddressPoolRepository {
  /** @returns up to `count` addresses in a row from one run, or null when every run is busy (or, `waiting`, when none was there). */
  async takeFromRun(tx: EntityManager, orgId: string, count: number, waiting: boolean): Promise<Taken | null> {
    const [row] = await prepared<Taken>(
      tx,
      'pool_take',
      'SELECT host(first) AS first, n AS count, prefix FROM take_addresses($1, $2, $3)',
      [orgId, count, waiting],
    );
    return row ?? null;
  }

  /** @returns false when that was within the last hour. */
  async markExhausted(tx: EntityManager, orgId: string): Promise<boolean> {
    const marked = await execute(
      tx,
      `UPDATE org SET pool_exhausted_at = now() WHERE org_id = $1 AND (pool_exhausted_at IS NULL OR pool_exhausted_at <= now() - interval '1 hour')`,
      [orgId],
    );
    return marked === 1;
  }

  async hasRuns(tx: EntityManager, orgId: string): Promise<boolean> {
    const [row] = await query<{ yes: boolean }>(
      tx,
      'SELECT EXISTS (SELECT FROM address_run WHERE org_id = $1) AS yes',
      [orgId],
    );
    return row!.yes;
  }

  /** Looked at when there is no address: then the organization may have been deleted a moment ago. */
  async orgExists(tx: EntityManager, orgId: string): Promise<boolean> {
    return (await query(tx, 'SELECT FROM org WHERE org_id = $1', [orgId])).length > 0;
  }

  /** Takes reserved addresses away, those that run out first. */
  async takeReserved(tx: EntityManager, orgId: string, count: number): Promise<Taken[]> {
    return query<Taken>(
      tx,
      `WITH oldest AS MATERIALIZED (
         SELECT address FROM address_reservation WHERE org_id = $1 ORDER BY expires_at, address LIMIT $2 FOR UPDATE
       )
       DELETE FROM address_reservation r USING oldest WHERE r.org_id = $1 AND r.address = oldest.address
       RETURNING host(r.address) AS first, 1 AS count,
         (SELECT masklen(g.cidr) FROM address_range g WHERE g.org_id = $1 AND g.cidr >>= r.address) AS prefix`,
      [orgId, count],
    );
  }

  /** @returns prefix length of the range that holds the address, or null when none does. */
  async prefixOf(tx: EntityManager, orgId: string, ip: string): Promise<number | null> {
    const [row] = await query<{ prefix: number }>(
      tx,
      'SELECT masklen(cidr) AS prefix FROM address_range WHERE org_id = $1 AND cidr >>= $2::inet',
      [orgId, ip],
    );
    return row?.prefix ?? null;
  }

  async dropReservation(tx: EntityManager, orgId: string, ip: string): Promise<boolean> {
    return (
      (await execute(tx, 'DELETE FROM address_reservation WHERE org_id = $1 AND address = $2::inet', [orgId, ip])) > 0
    );
  }

  /** Cuts one address out of the run that holds it. @returns false when the run that was locked does not hold it (any more). */
  async cutOut(tx: EntityManager, orgId: string, ip: string): Promise<boolean> {
    const [run] = await query<Run & { holds: boolean; atStart: boolean; atEnd: boolean }>(
      tx,
      `SELECT run_id AS "runId", host(next) AS next, host(last) AS last, next <= $2::inet AND last >= $2::inet AS holds, next = $2::inet AS "atStart", last = $2::inet AS "atEnd"
       FROM (SELECT run_id, next, last FROM address_run WHERE org_id = $1 AND last >= $2::inet ORDER BY last LIMIT 1 FOR UPDATE) near`,
      [orgId, ip],
    );
    if (!run?.holds) return false;
    if (run.atStart && run.atEnd) await execute(tx, 'DELETE FROM address_run WHERE run_id = $1', [run.runId]);
    else if (run.atEnd) await execute(tx, 'UPDATE address_run SET last = last - 1 WHERE run_id = $1', [run.runId]);
    else await execute(tx, 'UPDATE address_run SET next = $2::inet + 1 WHERE run_id = $1', [run.runId, ip]);
    if (!run.atStart && !run.atEnd)
      await execute(tx, 'INSERT INTO address_run (org_id, next, last) VALUES ($1, $2::inet, $3::inet - 1)', [
        orgId,
        run.next,
        ip,
      ]);
    return true;
  }

  /** Whether the address is free at this moment, run or reservation. */
  async isFree(tx: EntityManager, orgId: string, ip: string): Promise<boolean> {
    const [row] = await query<{ yes: boolean }>(
      tx,
      `SELECT EXISTS (SELECT FROM address_run WHERE org_id = $1 AND last >= $2::inet AND next <= $2::inet)
         OR EXISTS (SELECT FROM address_reservation WHERE org_id = $1 AND address = $2::inet) AS yes`,
      [orgId, ip],
    );
    return row!.yes;
  }

  async release(tx: EntityManager, orgId: string, ip: string): Promise<void> {
    await prepared(tx, 'pool_release', 'SELECT release_address($1, $2)', [orgId, ip]);
  }

  /** One caller at a time makes reservations in an organization, so that their number is exact. Claims never ask for this lock. */
  async lockReservations(tx: EntityManager, orgId: string): Promise<void> {
    await query(tx, `SELECT pg_advisory_xact_lock(hashtextextended('address_reservation/' || $1, 0))`, [orgId]);
  }

  /** Removes reservations that ran out. @returns their addresses, to be released. */
  async dropExpired(tx: EntityManager, orgId: string): Promise<string[]> {
    const rows = await query<{ ip: string }>(
      tx,
      `DELETE FROM address_reservation WHERE (org_id, address) IN (
         SELECT org_id, address FROM address_reservation WHERE org_id = $1 AND expires_at <= now() ORDER BY address FOR UPDATE SKIP LOCKED
       ) RETURNING host(address) AS ip`,
      [orgId],
    );
    return rows.map((r) => r.ip);
  }

  /** Gives the reservation that runs out first to somebody else, when `atLeast` are there. @returns its address. */
  async replaceOldest(
    tx: EntityManager,
    orgId: string,
    newtId: string,
    seconds: number,
    atLeast: number,
  ): Promise<string | null> {
    const [row] = await query<{ ip: string }>(
      tx,
      `UPDATE address_reservation SET newt_id = $2, expires_at = now() + make_interval(secs => $3)
       WHERE org_id = $1 AND address = (
         SELECT address FROM address_reservation WHERE org_id = $1 AND (SELECT count(*) FROM address_reservation WHERE org_id = $1) >= $4
         ORDER BY expires_at, address LIMIT 1 FOR UPDATE SKIP LOCKED
       ) RETURNING host(address) AS ip`,
      [orgId, newtId, seconds, atLeast],
    );
    return row?.ip ?? null;
  }

  async addReservation(tx: EntityManager, orgId: string, ip: string, newtId: string, seconds: number): Promise<void> {
    await execute(
      tx,
      'INSERT INTO address_reservation (org_id, address, newt_id, expires_at) VALUES ($1, $2::inet, $3, now() + make_interval(secs => $4))',
      [orgId, ip, newtId, seconds],
    );
  }

  /** Everything that adds or removes ranges of one organization waits for the other. @returns its own subnet, or null without such an organization. */
  async lockRanges(tx: EntityManager, orgId: string): Promise<string | null> {
    const [row] = await query<{ subnet: string }>(
      tx,
      'SELECT subnet::text AS subnet FROM org WHERE org_id = $1 FOR NO KEY UPDATE',
      [orgId],
    );
    return row?.subnet ?? null;
  }

  /** @returns the new range's id, or null when it overlaps one that is there, or the organization's utility subnet. */
  async addRange(tx: EntityManager, orgId: string, cidr: string): Promise<number | null> {
    const [row] = await query<{ rangeId: number }>(
      tx,
      `INSERT INTO address_range (org_id, cidr) SELECT $1, $2::cidr
       WHERE NOT EXISTS (SELECT FROM address_range WHERE org_id = $1 AND cidr && $2::cidr)
         AND NOT EXISTS (SELECT FROM org WHERE org_id = $1 AND utility_subnet && $2::cidr)
       RETURNING range_id AS "rangeId"`,
      [orgId, cidr],
    );
    return row?.rangeId ?? null;
  }

  /** Splits a new range into at most `runs` free runs of equal length. */
  async addRuns(tx: EntityManager, orgId: string, cidr: string, runs: number): Promise<void> {
    await execute(
      tx,
      `WITH g AS (SELECT set_masklen(network($2::cidr)::inet, 32) AS base, (1::bigint << (32 - masklen($2::cidr))) AS size),
            n AS (SELECT base, size, least($3::bigint, size) AS runs FROM g)
       INSERT INTO address_run (org_id, next, last)
       SELECT $1, base + i * (size / runs), base + (i + 1) * (size / runs) - 1 FROM n, generate_series(0, runs - 1) AS i`,
      [orgId, cidr, runs],
    );
  }

  async findRange(em: EntityManager, orgId: string, rangeId: number): Promise<RangeRow | null> {
    const [row] = await query<RangeRow>(em, `${RANGES} AND g.range_id = $2`, [orgId, rangeId]);
    return row ?? null;
  }

  async listRanges(em: EntityManager, orgId: string, limit: number, offset: number): Promise<RangeRow[]> {
    return query<RangeRow>(em, `${RANGES} ORDER BY g.range_id LIMIT $2 OFFSET $3`, [orgId, limit, offset]);
  }

  allRanges(em: EntityManager, orgId: string): ExportSource<RangeRow, unknown[]> {
    const columns = { rangeId: true, cidr: true, size: true, free: true, reserved: true } as const;
    return exportOfRows<RangeRow, 'rangeId'>(em, {
      name: 'address-ranges',
      columns,
      by: ['rangeId'],
      rows: RANGES,
      values: [orgId],
    });
  }

  async countRanges(em: EntityManager, orgId: string): Promise<number> {
    const [row] = await query<{ n: number }>(em, 'SELECT count(*) AS n FROM address_range WHERE org_id = $1', [orgId]);
    return row!.n;
  }

  /**
   * Removes a range with everything free in it.
   * @returns whether all of it was free: reservations count as free, an address of a site is in neither table. The caller rolls back if not.
   */
  async removeRange(tx: EntityManager, orgId: string, rangeId: number): Promise<boolean> {
    const [row] = await query<{ whole: boolean }>(
      tx,
      `WITH g AS (DELETE FROM address_range WHERE org_id = $1 AND range_id = $2 RETURNING cidr),
            runs AS (DELETE FROM address_run r USING g WHERE r.org_id = $1 AND r.next <<= g.cidr RETURNING r.last - r.next + 1 AS n),
            kept AS (DELETE FROM address_reservation r USING g WHERE r.org_id = $1 AND r.address <<= g.cidr RETURNING 1 AS n)
       SELECT (SELECT coalesce(sum(n), 0) FROM runs) + (SELECT count(*) FROM kept) = (1::bigint << (32 - masklen(cidr))) AS whole FROM g`,
      [orgId, rangeId],
    );
    return row?.whole ?? false;
  }

  async orgOfRange(em: EntityManager, rangeId: number): Promise<string | null> {
    const [row] = await query<{ orgId: string }>(
      em,
      'SELECT org_id AS "orgId" FROM address_range WHERE range_id = $1',
      [rangeId],
    );
    return row?.orgId ?? null;
  }
}

const RANGES = `
  SELECT g.range_id AS "rangeId", g.cidr::text AS cidr, (1::bigint << (32 - masklen(g.cidr))) AS size,
    (SELECT coalesce(sum(r.last - r.next + 1), 0)::bigint FROM address_run r WHERE r.org_id = g.org_id AND r.last BETWEEN network(g.cidr)::inet AND set_masklen(broadcast(g.cidr), 32)) AS free,
    (SELECT count(*) FROM address_reservation a WHERE a.org_id = g.org_id AND a.address <<= g.cidr) AS reserved
  FROM address_range g WHERE g.org_id = $1`;
