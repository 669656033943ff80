import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, limitsOf, prepared, query, type Window } from '#platform';
import type { DnsRecordView, DomainType, DomainView } from './domains.dto.js';

export interface DomainRow extends DomainView {
  type: DomainType;
  version: number;
}

/** A domain that is due for a check, taken by one server. */
export interface DueDomain {
  domainId: string;
  orgId: string;
  type: DomainType;
  baseDomain: string;
  tries: number;
}

/** A claim that no longer counts, because another organization proved the name. */
export interface LostDomain {
  domainId: string;
  orgId: string;
  baseDomain: string;
  reason: string;
}

export interface CheckedRecord {
  id: number;
  recordType: DnsRecordView['recordType'];
  baseDomain: string;
  value: string;
}

const COLUMNS = `domain_id AS "domainId", base_domain AS "baseDomain", config_managed AS "configManaged", type, verified, failed, tries,
  cert_resolver AS "certResolver", prefer_wildcard_cert AS "preferWildcardCert", error_message AS "errorMessage", version`;

/** All SQL about domains and their records. */
@Injectable()
export class DomainsRepository {
  async orgOf(em: EntityManager, domainId: string): Promise<string | null> {
    const [row] = await prepared<{ orgId: string }>(
      em,
      'domain_org',
      'SELECT org_id AS "orgId" FROM domain WHERE domain_id = $1',
      [domainId],
    );
    return row?.orgId ?? null;
  }

  async find(em: EntityManager, orgId: string, domainId: string): Promise<DomainRow | null> {
    const [row] = await prepared<DomainRow>(
      em,
      'domain_one',
      `SELECT ${COLUMNS} FROM domain WHERE org_id = $1 AND domain_id = $2`,
      [orgId, domainId],
    );
    return row ?? null;
  }

  /** Like `find`; the domain cannot be deleted before the transaction ends. */
  async hold(tx: EntityManager, orgId: string, domainId: string): Promise<DomainRow | null> {
    const [row] = await prepared<DomainRow>(
      tx,
      'domain_hold',
      `SELECT ${COLUMNS} FROM domain WHERE org_id = $1 AND domain_id = $2 FOR KEY SHARE`,
      [orgId, domainId],
    );
    return row ?? null;
  }

  async list(em: EntityManager, orgId: string, window: Window): Promise<[DomainRow[], number]> {
    const page = query<DomainRow>(
      em,
      `SELECT ${COLUMNS} FROM domain WHERE org_id = $1 ORDER BY base_domain, domain_id LIMIT $2 OFFSET $3`,
      [orgId, window.limit, window.offset],
    );
    const total = query<{ n: number }>(em, 'SELECT count(*) AS n FROM domain WHERE org_id = $1', [orgId]);
    return [await page, (await total)[0]!.n];
  }

  /** Those behind an id, by id. */
  async after(em: EntityManager, orgId: string, domainId: string | undefined, limit: number): Promise<DomainRow[]> {
    return query<DomainRow>(
      em,
      `SELECT ${COLUMNS} FROM domain WHERE org_id = $1 AND domain_id > $2 ORDER BY domain_id LIMIT $3`,
      [orgId, domainId ?? '', limit],
    );
  }

  /**
   * A wildcard domain counts as verified at once, the others are checked as soon as a server gets to it.
   * @throws check violation `domain_claim_same`, `…_around` or `…_shared` when a wildcard meets what somebody else holds (docs/adr/0019)
   */
  async insert(
    tx: EntityManager,
    orgId: string,
    d: {
      domainId: string;
      baseDomain: string;
      type: DomainType;
      certResolver: string | null;
      preferWildcardCert: boolean | null;
    },
  ): Promise<void> {
    await execute(
      tx,
      `INSERT INTO domain (domain_id, org_id, base_domain, type, verified, next_try_at, cert_resolver, prefer_wildcard_cert)
       VALUES ($1, $2, $3, $4, $4 = 'wildcard', CASE WHEN $4 <> 'wildcard' THEN now() END, $5, $6)`,
      [d.domainId, orgId, d.baseDomain, d.type, d.certResolver, d.preferWildcardCert],
    );
  }

  async insertRecords(
    tx: EntityManager,
    domainId: string,
    verified: boolean,
    rows: { recordType: string; baseDomain: string; value: string }[],
  ): Promise<void> {
    await execute(
      tx,
      `INSERT INTO domain_record (domain_id, record_type, base_domain, value, verified)
       SELECT $1, r."recordType", r."baseDomain", r.value, $2 FROM jsonb_to_recordset($3::jsonb) AS r("recordType" text, "baseDomain" text, value text)`,
      [domainId, verified, JSON.stringify(rows)],
    );
  }

  /** Proven domains at a name and above it, and BASE_DOMAIN if it is the name. */
  async provenAbove(
    em: EntityManager,
    name: string,
  ): Promise<{ orgId: string; baseDomain: string; type: DomainType; shared: boolean }[]> {
    return query(
      em,
      `SELECT org_id AS "orgId", base_domain AS "baseDomain", type, config_managed AS shared FROM domain WHERE NOT config_managed AND verified AND type <> 'wildcard'
         AND base_domain = ANY (names_above($1))
       UNION ALL (SELECT org_id, base_domain, type, true FROM domain WHERE config_managed AND base_domain = $1 LIMIT 1)`,
      [name],
    );
  }

  async update(
    tx: EntityManager,
    orgId: string,
    domainId: string,
    f: { certResolver?: string | null; preferWildcardCert?: boolean | null },
  ): Promise<void> {
    await execute(
      tx,
      `UPDATE domain SET cert_resolver = CASE WHEN $3 THEN $4 ELSE cert_resolver END, prefer_wildcard_cert = CASE WHEN $5 THEN $6 ELSE prefer_wildcard_cert END
       WHERE org_id = $1 AND domain_id = $2`,
      [
        orgId,
        domainId,
        f.certResolver !== undefined,
        f.certResolver ?? null,
        f.preferWildcardCert !== undefined,
        f.preferWildcardCert ?? null,
      ],
    );
  }

  /** Locks the row until the end of the transaction. */
  async lock(tx: EntityManager, orgId: string, domainId: string): Promise<DomainRow | null> {
    const [row] = await query<DomainRow>(
      tx,
      `SELECT ${COLUMNS} FROM domain WHERE org_id = $1 AND domain_id = $2 FOR UPDATE`,
      [orgId, domainId],
    );
    return row ?? null;
  }

  /**
   * Deletes a domain that is not config-managed. Resources on it lose their names, so that whoever proves the domain next can use them.
   */
  async delete(tx: EntityManager, orgId: string, domainId: string): Promise<void> {
    await execute(
      tx,
      'UPDATE resource SET domain_id = NULL, subdomain = NULL, full_domain = NULL, wildcard = false WHERE domain_id = $1',
      [domainId],
    );
    await execute(
      tx,
      'UPDATE site_resource SET domain_id = NULL, subdomain = NULL, full_domain = NULL WHERE domain_id = $1',
      [domainId],
    );
    await execute(tx, 'DELETE FROM domain WHERE org_id = $1 AND domain_id = $2', [orgId, domainId]);
  }

  async records(em: EntityManager, domainId: string, window: Window | null = null): Promise<DnsRecordView[]> {
    return query<DnsRecordView>(
      em,
      `SELECT record_id AS id, domain_id AS "domainId", record_type AS "recordType", base_domain AS "baseDomain", value, verified
       FROM domain_record WHERE domain_id = $1 ORDER BY record_id LIMIT $2 OFFSET $3`,
      [domainId, ...limitsOf(window)],
    );
  }

  /** Begins verification anew, at once; a wildcard counts again if nobody else holds the name by now. @throws as `insert` */
  async restart(tx: EntityManager, orgId: string, domainId: string): Promise<void> {
    await execute(
      tx,
      `UPDATE domain SET tries = 0, failed = false, error_message = NULL, verified = type = 'wildcard', next_try_at = CASE WHEN type <> 'wildcard' THEN now() END
       WHERE org_id = $1 AND domain_id = $2 AND NOT verified`,
      [orgId, domainId],
    );
  }

  /** Gives every organization (or the one given) the domain of BASE_DOMAIN; one that has made it by hand keeps it as such. */
  async ensureConfigManaged(
    tx: EntityManager,
    baseDomain: string,
    serverIp: string,
    orgId: string | null,
  ): Promise<void> {
    await execute(
      tx,
      `WITH made AS (
         INSERT INTO domain (domain_id, org_id, base_domain, type, config_managed, verified)
         SELECT substr(md5(gen_random_uuid()::text), 1, 15), org_id, $1, 'wildcard', true, true FROM org o
         WHERE ($3::text IS NULL OR org_id = $3)
           AND NOT EXISTS (SELECT FROM domain d WHERE d.org_id = o.org_id AND d.base_domain = $1 AND d.type = 'wildcard' AND d.config_managed)
         ON CONFLICT (org_id, base_domain, type) DO UPDATE SET config_managed = true, verified = true, failed = false, error_message = NULL
         RETURNING domain_id, xmax = 0 AS fresh
       )
       INSERT INTO domain_record (domain_id, record_type, base_domain, value, verified)
       SELECT domain_id, 'A', name, $2, true FROM made, unnest(ARRAY['*.' || $1, $1]) AS name WHERE fresh`,
      [baseDomain, serverIp, orgId],
    );
  }

  /** After BASE_DOMAIN changed: the former one goes where nothing uses it. */
  async dropFormerConfigManaged(tx: EntityManager, baseDomain: string): Promise<void> {
    await execute(
      tx,
      `DELETE FROM domain d WHERE config_managed AND base_domain <> $1 AND NOT EXISTS (SELECT FROM resource r WHERE r.domain_id = d.domain_id)
         AND NOT EXISTS (SELECT FROM site_resource s WHERE s.domain_id = d.domain_id)`,
      [baseDomain],
    );
  }

  /**
   * Takes domains whose time has come. The time of their next check is written with it, so that no other server takes them and a server
   * that dies leaves nothing behind.
   */
  async takeDue(
    em: EntityManager,
    limit: number,
    backoff: { firstSeconds: number; capSeconds: number },
  ): Promise<DueDomain[]> {
    return query<DueDomain>(
      em,
      `UPDATE domain d SET tries = tries + 1, next_try_at = now() + make_interval(secs => least($3::float8, $2::float8 * power(2, least(tries, 30))))
       WHERE domain_id IN (
         SELECT domain_id FROM domain WHERE NOT verified AND NOT failed AND next_try_at <= now() ORDER BY next_try_at LIMIT $1 FOR UPDATE SKIP LOCKED
       )
       RETURNING domain_id AS "domainId", org_id AS "orgId", type, base_domain AS "baseDomain", tries`,
      [limit, backoff.firstSeconds, backoff.capSeconds],
    );
  }

  /**
   * @returns what others lost by this proof; null when the domain is gone, verified, or was restarted meanwhile.
   * @throws unique violation when somebody else has proven it, check violation `domain_claim_shared` for BASE_DOMAIN.
   */
  async markVerified(
    tx: EntityManager,
    { domainId, orgId, tries, baseDomain }: DueDomain,
  ): Promise<LostDomain[] | null> {
    await query(tx, 'SELECT lock_claims()', []);
    const held = await query<{ domainId: string }>(
      tx,
      `SELECT domain_id AS "domainId" FROM domain WHERE verified AND NOT config_managed AND org_id <> $1 AND base_domain = ANY (names_above($2))
       UNION ALL SELECT domain_id FROM domains_below($1, $2)`,
      [orgId, baseDomain],
    );
    const changed = await execute(
      tx,
      `UPDATE domain SET verified = true, failed = false, error_message = NULL, next_try_at = NULL WHERE domain_id = $1 AND tries = $2 AND NOT verified`,
      [domainId, tries],
    );
    if (changed === 0) return null;
    return query<LostDomain>(
      tx,
      `SELECT domain_id AS "domainId", org_id AS "orgId", base_domain AS "baseDomain", error_message AS reason FROM domain WHERE domain_id = ANY ($1) AND NOT verified ORDER BY domain_id`,
      [held.map((domain) => domain.domainId)],
    );
  }

  /** Whether a failure was the last. @returns false when the domain is gone, verified, or was restarted meanwhile. */
  async markUnverified(
    tx: EntityManager,
    { domainId, tries }: DueDomain,
    errorMessage: string,
    failed: boolean,
  ): Promise<boolean> {
    const changed = await execute(
      tx,
      `UPDATE domain SET error_message = $3, failed = $4, next_try_at = CASE WHEN $4 THEN NULL ELSE next_try_at END
       WHERE domain_id = $1 AND tries = $2 AND NOT verified`,
      [domainId, tries, errorMessage, failed],
    );
    return changed > 0;
  }

  async markRecords(tx: EntityManager, domainId: string, verifiedIds: number[]): Promise<void> {
    await execute(tx, 'UPDATE domain_record SET verified = record_id = ANY($2::bigint[]) WHERE domain_id = $1', [
      domainId,
      verifiedIds,
    ]);
  }
}
