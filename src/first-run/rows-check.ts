import { type DatabaseClient, KeyRing, type Read, type SealedColumn, sealedRows } from '#platform';
import { SEALED_COLUMNS } from './sealed-columns.js';

/** Named of what is wrong in one way. */
const NAMED = 5;

/** What is wrong, and a query for the names of the rows that are so. None finds anything in a sound database. */
const CHECKS: [problem: string, names: string][] = [
  [
    'bundles or leases under another organization than their site',
    `SELECT 'site ' || b.site_id FROM (SELECT site_id, org_id FROM site_bundle UNION SELECT site_id, org_id FROM site_lease) b
       LEFT JOIN site s USING (site_id) WHERE s.org_id IS DISTINCT FROM b.org_id`,
  ],
  [
    'bootstraps under another organization than their profile',
    `SELECT DISTINCT 'profile ' || b.profile_id FROM (SELECT profile_id, org_id FROM bootstrap UNION SELECT profile_id, org_id FROM bootstrap_revision) b
       LEFT JOIN provisioning_profile p USING (profile_id) WHERE p.org_id IS DISTINCT FROM b.org_id`,
  ],
  [
    'bootstraps without their current or settled revision',
    `SELECT 'profile ' || b.profile_id FROM bootstrap b, unnest(ARRAY[b.current_revision, nullif(b.settled_revision, 0)]) AS needed(revision)
     WHERE needed.revision IS NOT NULL AND NOT EXISTS (SELECT FROM bootstrap_revision r WHERE r.profile_id = b.profile_id AND r.revision = needed.revision)`,
  ],
  [
    'bootstraps that name a secret that is gone',
    `SELECT 'profile ' || b.profile_id || ' ' || coalesce(s.name, n.secret_id::text)
     FROM bootstrap b JOIN bootstrap_secret n ON n.profile_id = b.profile_id AND n.revision IN (b.current_revision, b.settled_revision)
       LEFT JOIN secret s ON s.secret_id = n.secret_id AND s.org_id = b.org_id WHERE s.secret_id IS NULL OR s.deleted_at IS NOT NULL`,
  ],
  [
    'secrets for a profile that is gone',
    `SELECT s.org_id || ' ' || s.name FROM secret s, unnest(s.profile_ids) AS wanted(id)
     WHERE NOT EXISTS (SELECT FROM provisioning_profile p WHERE p.profile_id = wanted.id AND p.org_id = s.org_id)`,
  ],
  [
    'secrets that count their versions wrongly',
    `SELECT s.org_id || ' ' || s.name FROM secret s WHERE s.settled_version > s.current_version
       OR s.current_version IS DISTINCT FROM (SELECT max(v.version) FROM secret_version v WHERE v.secret_id = s.secret_id)`,
  ],
  [
    'secrets whose current or settled version was destroyed',
    `SELECT s.org_id || ' ' || s.name FROM secret s WHERE s.deleted_at IS NULL AND EXISTS (
       SELECT FROM secret_version v WHERE v.secret_id = s.secret_id AND v.version IN (s.current_version, s.settled_version) AND v.wrapped_key IS NULL)`,
  ],
  [
    'bundles that hold a version of a secret that was destroyed',
    `SELECT DISTINCT 'site ' || b.site_id FROM site_bundle b, unnest(b.secrets) AS held(id)
     WHERE NOT EXISTS (SELECT FROM secret_version v WHERE v.secret_version_id = held.id AND v.wrapped_key IS NOT NULL)`,
  ],
  [
    'signing keys that are to sign without their private half',
    `SELECT 'organization ' || org_uid || ' key ' || seq FROM signing_key WHERE state = 'current' AND sealed_key IS NULL`,
  ],
  [
    'signing keys that were succeeded and have their private half still',
    `SELECT 'organization ' || org_uid || ' key ' || seq FROM signing_key WHERE state = 'retired' AND sealed_key IS NOT NULL`,
  ],
  [
    'signing keys that none is announced to follow',
    `SELECT 'organization ' || k.org_uid || ' key ' || k.seq FROM signing_key k
     WHERE k.state = 'current' AND NOT EXISTS (SELECT FROM signing_key n WHERE n.org_uid = k.org_uid AND n.state = 'next')`,
  ],
  [
    'counts of sites that are wrong',
    `SELECT coalesce(c.org_id, s.org_id) || ' ' || coalesce(c.status, s.status)
     FROM (SELECT org_id, status, sum(n) AS n FROM site_count GROUP BY 1, 2) c
       FULL JOIN (SELECT org_id, status, count(*) AS n FROM site GROUP BY 1, 2) s ON s.org_id = c.org_id AND s.status = c.status
     WHERE coalesce(c.n, 0) <> coalesce(s.n, 0)`,
  ],
  [
    'counts of resources that are wrong',
    `SELECT coalesce(c.org_id, r.org_id) || ' ' || coalesce(c.kind, r.kind)
     FROM (SELECT org_id, kind, sum(n) AS n FROM resource_count GROUP BY 1, 2) c
       FULL JOIN (SELECT org_id, 'public' AS kind, count(*) AS n FROM resource WHERE staged_by IS NULL GROUP BY 1
         UNION ALL SELECT org_id, 'private', count(*) FROM site_resource WHERE staged_by IS NULL GROUP BY 1) r ON r.org_id = c.org_id AND r.kind = c.kind
     WHERE coalesce(c.n, 0) <> coalesce(r.n, 0)`,
  ],
  [
    'provisioning keys whose uses are not those of their generations',
    `SELECT k.key_id FROM provisioning_key k
     WHERE k.uses <> (SELECT coalesce(sum(g.uses), 0) FROM provisioning_key_generation g WHERE g.key_id = k.key_id)`,
  ],
];

/**
 * Looks for rows without an owner, counters that are wrong, and values that the master key cannot decrypt, all in one snapshot. Changes nothing.
 * @returns a line for each kind of trouble; none for a sound database
 */
export async function checkRows(client: DatabaseClient, masterKeys: readonly Buffer[]): Promise<string[]> {
  const keys = new KeyRing(...masterKeys);
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    const problems: string[] = [];
    for (const [problem, names] of CHECKS) {
      const { rows } = await client.query<{ n: number; names: string[] | null }>(
        `SELECT count(*)::int AS n, (array_agg(name ORDER BY name))[1:${NAMED}] AS names FROM (${names}) AS found(name)`,
      );
      if (rows[0]!.n > 0) problems.push(lineOf(problem, rows[0]!.n, rows[0]!.names!));
    }
    for (const column of SEALED_COLUMNS) {
      const { n, names } = await undecryptable(client, keys, column);
      if (n > 0) problems.push(lineOf(`${column.what} that cannot be decrypted`, n, names));
    }
    return problems;
  } finally {
    await client.query('ROLLBACK');
  }
}

async function undecryptable(
  client: DatabaseClient,
  keys: KeyRing,
  column: SealedColumn,
): Promise<{ n: number; names: string[] }> {
  const found = { n: 0, names: [] as string[] };
  const read: Read = async (sql, values) => (await client.query(sql, values)).rows as never;
  for (let after = column.id.first; ; ) {
    const { rows, isLast } = await sealedRows(read, column, after);
    for (const { name, about, sealed, apart } of rows) {
      try {
        if (apart) keys.decryptApart({ wrappedKey: sealed, sealed: apart }, about);
        else keys.decrypt(sealed, about);
      } catch {
        if (found.n++ < NAMED) found.names.push(name);
      }
    }
    if (isLast) return found;
    after = rows.at(-1)!.id;
  }
}

const lineOf = (problem: string, n: number, names: string[]) =>
  `${n} ${problem}: ${names.join(', ')}${n > names.length ? ', …' : ''}`;
