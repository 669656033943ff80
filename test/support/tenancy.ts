import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { type BehindProxy, behindProxy } from './behind-proxy.js';
import { FixtureOrg } from './fixture-org.js';
import { type Document, type Documented, readDocument } from './operations.js';
import { startServer, type TestServer } from './server.js';

/** Names of fields that point at something of the organization. */
export const REFERENCE =
  /^(siteIds?|domainId|roleIds?|role_id|userIds?|groupIds?|group|templateId|profileIds?|keyId|hardwareId|targetId|actorId|clientIds?|siteResourceIds)$/;
export let server: TestServer;
export let document: Document;
/** Who is asked about, and who must not see or change it. */
export let victim: FixtureOrg;
export let stranger: FixtureOrg;
export const scopeOf = (operation: Documented) =>
  operation.scope.split(':')[0] as 'org' | 'root' | 'own' | 'user' | 'site' | 'public';
/** Everything that belongs to the organization, and what belongs to nobody, as one hash per table; not what servers write by the clock, and sums of other tables. */
export let tables: { name: string; ofOrg: boolean }[];
async function tablesOf(fixture: FixtureOrg): Promise<typeof tables> {
  return fixture.sql(
    `SELECT c.relname AS name, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id') AS "ofOrg"
     FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> ALL ('{server,online_sample,claim_minute,event_minute}') ORDER BY 1`,
  );
}
/** Planned once: with more than a hundred tables that takes longer than to read them. */
const READER = '-c plan_cache_mode=force_generic_plan -c max_parallel_workers_per_gather=0';
let reader: pg.Client;
/** That a key or a session is used is written a moment later, whatever its holder was answered. */
const rowOf = (table: string) =>
  ['api_key', 'user_session'].includes(table)
    ? `(to_jsonb(t) - '{last_used_at,last_used_address}'::text[])::text`
    : 't::text';

export async function snapshot(fixture: FixtureOrg): Promise<Record<string, string>> {
  const hashes = tables.map(
    ({ name, ofOrg }) =>
      `SELECT '${name}' AS name, count(*) || ' ' || coalesce(md5(string_agg(md5(${rowOf(name)}), '' ORDER BY md5(${rowOf(name)}))), '') AS hash FROM "${name}" t WHERE ${ofOrg ? 'org_id = $1' : '$1 <> chr(1)'}`,
  );
  const statement = { name: 'snapshot', text: hashes.join(' UNION ALL '), values: [fixture.orgId] };
  const { rows } = await reader.query<{ name: string; hash: string }>(statement);
  return Object.fromEntries(rows.map(({ name, hash }) => [name, hash]));
}

/** A server with the two organizations, behind a proxy that ends TLS, which this machine is. */
export function setUpTenancy(): void {
  let proxy: BehindProxy;
  beforeAll(async () => {
    proxy = behindProxy();
    server = await startServer({ env: { ...proxy.env, REFUSALS_PER_MINUTE: '1000000' } });
    document = await readDocument(server.url);
    [victim, stranger] = [await FixtureOrg.open(server), await FixtureOrg.open(server)];
    tables = await tablesOf(victim);
    reader = new pg.Client({ connectionString: server.databaseUrl, options: READER });
    await reader.connect();
  });
  afterAll(async () => {
    await reader?.end();
    await server?.stop();
    proxy.remove();
  });
}
