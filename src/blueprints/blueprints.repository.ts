import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query, type Window } from '#platform';
import type { BlueprintRecord, BlueprintView } from './blueprints.dto.js';
import type { DocumentKeys, SourceKind } from './current-state.js';
import type { Plan } from './plan.types.js';

export interface HistoryEntry {
  orgId: string;
  siteId: number | null;
  name: string;
  source: BlueprintView['source'];
  kind: SourceKind;
  succeeded: boolean;
  message: string;
  /** Without secrets. */
  contents: string;
}

export interface ApplyingSite {
  siteId: number;
  niceId: string;
  name: string;
  hardwareId: string | null;
  labels: Record<string, string>;
  dockerSocketEnabled: boolean;
  pending: boolean;
  templateId: number | null;
}

const VIEW = `blueprint_id AS "blueprintId", name, source, succeeded, org_id AS "orgId", extract(epoch FROM created_at)::bigint AS "createdAt"`;

/** Sources, secrets and history of blueprints. */
@Injectable()
export class BlueprintsRepository {
  /** The site that sends a document, locked: an approval at the same moment comes before or after. */
  async lockSite(tx: EntityManager, orgId: string, siteId: number): Promise<ApplyingSite | null> {
    const [row] = await query<ApplyingSite>(
      tx,
      `SELECT site_id AS "siteId", nice_id AS "niceId", name, hardware_id AS "hardwareId", labels, docker_socket_enabled AS "dockerSocketEnabled", status = 'pending' AS pending, template_id AS "templateId" FROM site WHERE org_id = $1 AND site_id = $2 FOR NO KEY UPDATE`,
      [orgId, siteId],
    );
    return row ?? null;
  }

  async sourceOf(tx: EntityManager, siteId: number, kind: SourceKind): Promise<number | null> {
    const [row] = await query<{ id: number }>(
      tx,
      'SELECT source_id AS id FROM blueprint_source WHERE site_id = $1 AND kind = $2',
      [siteId, kind],
    );
    return row?.id ?? null;
  }

  async rememberSource(tx: EntityManager, orgId: string, siteId: number, kind: SourceKind): Promise<number> {
    const [row] = await query<{ id: number }>(
      tx,
      `INSERT INTO blueprint_source (org_id, site_id, kind) VALUES ($1, $2, $3) ON CONFLICT (site_id, kind) DO UPDATE SET applied_at = now() RETURNING source_id AS id`,
      [orgId, siteId, kind],
    );
    return row!.id;
  }

  /** What is applied once per site may be applied anew: something of it had to give way. What a source declares is compared each time. */
  async forgetOnce(tx: EntityManager, siteIds: number[]): Promise<void> {
    await execute(
      tx,
      `DELETE FROM blueprint_source WHERE site_id = ANY ($1::bigint[]) AND kind IN ('bootstrap', 'profile')`,
      [siteIds],
    );
  }

  /** Keys that each document of the claim's session named; null: none, or it is settled whose they were. The site is locked. */
  async claimDocuments(tx: EntityManager, sourceId: number): Promise<DocumentKeys[] | null> {
    const [row] = await query<{ documents: DocumentKeys[] | null }>(
      tx,
      'SELECT claim_documents AS documents FROM blueprint_source WHERE source_id = $1',
      [sourceId],
    );
    return row?.documents ?? null;
  }

  async setClaimDocuments(tx: EntityManager, sourceId: number, documents: DocumentKeys[] | null): Promise<void> {
    await execute(tx, 'UPDATE blueprint_source SET claim_documents = $2::jsonb WHERE source_id = $1', [
      sourceId,
      documents && JSON.stringify(documents),
    ]);
  }

  /** Remembers what a source's refused document wants of what it shares; null: its last one was not refused. */
  async propose(tx: EntityManager, sourceId: number, proposed: Plan['proposed'] | null): Promise<void> {
    await execute(
      tx,
      'UPDATE blueprint_source SET proposed = $2::jsonb WHERE source_id = $1 AND proposed IS DISTINCT FROM $2::jsonb',
      [sourceId, proposed && JSON.stringify(proposed)],
    );
  }

  /** Hashes of shared secrets as they are, by niceId. */
  secretsOf(
    em: EntityManager,
    orgId: string,
    keys: string[],
  ): Promise<
    { key: string; passwordHash: string | null; pincodeHash: string | null; headerAuthHash: string | null }[]
  > {
    return query(
      em,
      'SELECT nice_id AS key, password_hash AS "passwordHash", pincode_hash AS "pincodeHash", header_auth_hash AS "headerAuthHash" FROM resource WHERE org_id = $1 AND nice_id = ANY ($2)',
      [orgId, keys],
    );
  }

  /**
   * A refusal that says what the last row of this site and kind says already is not written again: agents try until something changes.
   * @returns the id of the row, or null when none was written.
   */
  async record(tx: EntityManager, e: HistoryEntry): Promise<number | null> {
    const [row] = await query<{ id: number }>(
      tx,
      `INSERT INTO blueprint (org_id, site_id, name, source, kind, succeeded, message, contents)
       SELECT $1::text, $2::bigint, $3::text, $4::text, $5::text, $6::boolean, $7::text, $8::text
       WHERE $6 OR $2 IS NULL OR NOT EXISTS (
         SELECT FROM (SELECT succeeded, message, contents FROM blueprint WHERE site_id = $2 AND kind = $5 ORDER BY blueprint_id DESC LIMIT 1) last
         WHERE NOT last.succeeded AND last.message = $7 AND last.contents = $8)
       RETURNING blueprint_id AS id`,
      [e.orgId, e.siteId, e.name, e.source, e.kind === 'api' ? null : e.kind, e.succeeded, e.message, e.contents],
    );
    return row?.id ?? null;
  }

  async list(em: EntityManager, orgId: string, window: Window): Promise<[BlueprintView[], number]> {
    const rows = await query<BlueprintView>(
      em,
      `SELECT ${VIEW} FROM blueprint WHERE org_id = $1 ORDER BY blueprint_id DESC LIMIT $2 OFFSET $3`,
      [orgId, window.limit, window.offset],
    );
    const [total] = await query<{ n: number }>(em, 'SELECT count(*) AS n FROM blueprint WHERE org_id = $1', [orgId]);
    return [rows, total!.n];
  }

  /** Those before one, newest first. */
  async before(
    em: EntityManager,
    orgId: string,
    blueprintId: number | undefined,
    limit: number,
  ): Promise<BlueprintView[]> {
    return query<BlueprintView>(
      em,
      `SELECT ${VIEW} FROM blueprint WHERE org_id = $1 AND blueprint_id < $2 ORDER BY blueprint_id DESC LIMIT $3`,
      [orgId, blueprintId ?? Number.MAX_SAFE_INTEGER, limit],
    );
  }

  async find(em: EntityManager, orgId: string, blueprintId: number): Promise<BlueprintRecord | null> {
    const [row] = await query<BlueprintRecord>(
      em,
      `SELECT ${VIEW}, message, contents FROM blueprint WHERE org_id = $1 AND blueprint_id = $2`,
      [orgId, blueprintId],
    );
    return row ?? null;
  }

  async orgOf(em: EntityManager, blueprintId: number): Promise<string | null> {
    const [row] = await query<{ orgId: string }>(
      em,
      'SELECT org_id AS "orgId" FROM blueprint WHERE blueprint_id = $1',
      [blueprintId],
    );
    return row?.orgId ?? null;
  }
}
