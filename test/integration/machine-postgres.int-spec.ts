import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientOptions, DatabaseClient, Db, query, settleTransport } from '#platform';
import { migrate } from '../../libs/platform/database/migrate.js';
import { checkDatabase, sentenceFor } from '../../src/first-run/index.js';
import { MIGRATIONS } from '../../src/schema.js';
import { provision, TestOrg } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { selfSigned } from '../support/certificate.js';
import { findMachinePostgres, startMachinePostgres } from '../support/machine-postgres.mjs';
import { freePort } from '../support/server.js';

const found = findMachinePostgres();

// The suite runs on the embedded PostgreSQL 18; an operator's may be 15, with just-in-time compilation and whatever its package sets.
describe.skipIf(!found)('on the PostgreSQL of the machine', () => {
  let cluster: Awaited<ReturnType<typeof startMachinePostgres>>;
  let app: StartedApp;
  beforeAll(async () => {
    const { cert, key } = await selfSigned('0a');
    cluster = await startMachinePostgres(
      found!,
      { jit: 'on', jit_above_cost: '0', listen_addresses: '127.0.0.1', port: await freePort() },
      { cert, key },
    );
    await checkDatabase(cluster.url, { ms: 30_000, say: () => undefined });
    await migrate(cluster.url, MIGRATIONS);
    app = await startApp(cluster.url);
  });
  afterAll(async () => {
    await app?.close();
    await cluster?.stop();
  });

  it('a peer that vanished is noticed within seconds', async () => {
    const url = new URL(cluster.url);
    url.search = '?sslmode=disable';
    url.hostname = '127.0.0.1';
    const client = await new DatabaseClient(clientOptions(url.href, 'test')).connect();
    const { rows } = await client.query<{ name: string; setting: string }>(
      `SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp_%' ORDER BY name`,
    );
    await client.end();
    expect(rows.map((row) => `${row.name} ${row.setting}`)).toEqual([
      'tcp_keepalives_count 3',
      'tcp_keepalives_idle 10',
      'tcp_keepalives_interval 5',
      'tcp_user_timeout 10000',
    ]);
  });

  it('each sslmode encrypts and checks as libpq says', async () => {
    const url = (mode: string, root?: string): string => {
      const changed = new URL(cluster.url);
      changed.search = '';
      changed.hostname = '127.0.0.1';
      changed.searchParams.set('sslmode', mode);
      if (root !== undefined) changed.searchParams.set('sslrootcert', root);
      return changed.href;
    };
    const encrypted = async (given: string): Promise<boolean> => {
      const client = await new DatabaseClient(clientOptions(await settleTransport(given), 'test')).connect();
      const { rows } = await client.query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
      await client.end();
      return rows[0]!.ssl;
    };
    const root = `${cluster.folder}/server.crt`;
    expect(await encrypted(url('disable'))).toBe(false);
    expect(await encrypted(url('allow'))).toBe(false);
    for (const mode of ['prefer', 'require']) expect(await encrypted(url(mode)), mode).toBe(true);
    // Its certificate is for 127.0.0.1, and signed by nobody else.
    for (const mode of ['require', 'verify-ca', 'verify-full'])
      expect(await encrypted(url(mode, root)), mode).toBe(true);
    await expect(encrypted(url('verify-full'))).rejects.toThrow(/self-signed/);
    await expect(encrypted(url('verify-full', root).replace('127.0.0.1', 'localhost'))).rejects.toThrow(
      /altnames|localhost/i,
    );
    expect(await encrypted(url('verify-ca', root).replace('127.0.0.1', 'localhost'))).toBe(true);
    const said: unknown = await checkDatabase(url('verify-full'), { ms: 0, say: () => undefined }).catch(
      (error: unknown) => sentenceFor(error),
    );
    expect(said).toBe(
      'DATABASE_URL leads to no usable database: self-signed certificate; name the authority to trust with sslrootcert, or use sslmode=require, which encrypts without a check.',
    );
  });

  it('the schema is made, machines claim, and nothing is compiled', async () => {
    const org = await TestOrg.create(app.root);
    const key = await org.key({ maxBatchSize: 50 });
    const replies = await Promise.all(
      Array.from({ length: 80 }, () => provision(app.url, { provision_key: key.siteProvisioningKey })),
    );
    expect(replies.filter((reply) => reply.status === 201)).toHaveLength(50);
    expect(replies.filter((reply) => reply.status === 403)).toHaveLength(30);
    expect((await org.sites()).pagination.total).toBe(50);
    const [plan] = await query<{ 'QUERY PLAN': { JIT?: unknown }[] }>(
      app.app.get(Db).manager,
      'EXPLAIN (ANALYZE, FORMAT json) SELECT count(*) FROM site s JOIN site_credential c USING (site_id)',
    );
    expect(plan!['QUERY PLAN'][0]!.JIT).toBeUndefined();
  });
});
