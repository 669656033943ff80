import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientOptions, DatabaseClient, DatabaseUrlError, Db, query, settleTransport } from '#platform';
import { checkDatabase, sentenceFor } from '../../src/first-run/index.js';
import { startApp } from '../support/app.js';
import { createEmptyDatabase, createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { TransactionPooler } from '../support/transaction-pooler.js';

let database: TestDatabase;
beforeAll(async () => void (database = await createTestDatabase()));
afterAll(() => database?.drop());

const nameOf = (url: string): string => new URL(url).pathname.slice(1);
const untold = { ms: 0, say: () => undefined };
/** What a start says in the end, or undefined when there is nothing to say. */
const saidBy = (url: string): Promise<string | undefined> =>
  checkDatabase(url, untold).then(
    () => undefined,
    (error: unknown) => sentenceFor(error) ?? `unexpected: ${error}`,
  );

async function asRole<T>(grants: string, work: (url: string, role: string) => Promise<T>): Promise<T> {
  const own = await createEmptyDatabase();
  const role = `role_of_${nameOf(own.url)}`;
  try {
    await queryDatabase(own.url, `CREATE ROLE ${role} LOGIN PASSWORD 'p'`);
    if (grants) await queryDatabase(own.url, grants.replaceAll('ROLE', role));
    const url = new URL(own.url);
    url.username = role;
    url.password = 'p';
    return await work(url.href, role);
  } finally {
    await queryDatabase(own.url, `DROP OWNED BY ${role}`);
    await own.drop();
    await queryDatabase(database.url, `DROP ROLE ${role}`);
  }
}

describe('a connection', () => {
  it('has the settings that the code relies on, whatever database and role say', async () => {
    const own = await createTestDatabase();
    const strange = {
      jit: 'on',
      plan_cache_mode: 'force_generic_plan',
      default_transaction_isolation: 'serializable',
      default_transaction_read_only: 'on',
      statement_timeout: '30s',
      row_security: 'off',
      search_path: 'nowhere',
      DateStyle: 'German',
      TimeZone: 'America/New_York',
      IntervalStyle: 'sql_standard',
      bytea_output: 'escape',
      synchronous_commit: 'off',
      idle_session_timeout: '1s',
    };
    for (const [name, value] of Object.entries(strange))
      await queryDatabase(database.url, `ALTER DATABASE ${nameOf(own.url)} SET ${name} = '${value}'`);
    const app = await startApp(own.url);
    try {
      const rows = await query<{ name: string; setting: string }>(
        app.app.get(Db).manager,
        'SELECT name, setting FROM pg_settings WHERE lower(name) = ANY ($1) OR name LIKE $2 ORDER BY name',
        [Object.keys(strange).map((n) => n.toLowerCase()), '%timeout'],
      );
      expect(Object.fromEntries(rows.map((row) => [row.name, row.setting]))).toMatchObject({
        jit: 'off',
        plan_cache_mode: 'auto',
        default_transaction_isolation: 'read committed',
        default_transaction_read_only: 'off',
        row_security: 'on',
        search_path: 'public',
        DateStyle: 'ISO, MDY',
        TimeZone: 'UTC',
        IntervalStyle: 'postgres',
        bytea_output: 'hex',
        synchronous_commit: 'on',
        idle_session_timeout: '0',
        statement_timeout: '10000',
        idle_in_transaction_session_timeout: '5000',
      });
      // Tables are found, dates are read, and what is written is found again.
      await app.root.expect('PUT', '/org', { orgId: 'settings', name: 'Settings' });
      expect(
        (await app.root.expect<{ orgs: { orgId: string }[] }>('GET', '/orgs')).orgs.map((org) => org.orgId),
      ).toContain('settings');
    } finally {
      await app.close();
      await own.drop();
    }
  });

  it("goes on looking where its tables are when a schema of the role's name is made later", async () => {
    const own = await createTestDatabase();
    try {
      await queryDatabase(own.url, 'CREATE SCHEMA AUTHORIZATION CURRENT_USER');
      const client = await new DatabaseClient(clientOptions(own.url, 'test')).connect();
      expect((await client.query<{ search_path: string }>('SHOW search_path')).rows[0]!.search_path).toBe('public');
      await client.end();
    } finally {
      await own.drop();
    }
  });

  it('survives an error that nobody listens for', async () => {
    const client = await new DatabaseClient(clientOptions(database.url, 'victim')).connect();
    const ended = new Promise((done) => client.once('end', done));
    await queryDatabase(
      database.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'`,
    );
    await ended;
    await expect(client.query('SELECT 1')).rejects.toThrow();
  });
});

describe('a start says in one sentence', () => {
  it('which GRANT is missing on the schema', async () => {
    await asRole('', async (url, role) => {
      expect(await saidBy(url)).toBe(
        `The role ${role} of DATABASE_URL may not make tables in the schema public; as its owner: GRANT USAGE, CREATE ON SCHEMA "public" TO "${role}";`,
      );
    });
    await asRole('GRANT USAGE, CREATE ON SCHEMA public TO ROLE', async (url) =>
      expect(await saidBy(url)).toBeUndefined(),
    );
  });

  it('that there is no schema at all', async () => {
    await asRole('DROP SCHEMA public', async (url, role) => {
      expect(await saidBy(url)).toBe(
        `The database of DATABASE_URL has no schema public; make one: CREATE SCHEMA "public" AUTHORIZATION "${role}";`,
      );
    });
  });

  it('whose the tables are', async () => {
    await asRole('GRANT ALL ON SCHEMA public TO ROLE; CREATE TABLE site_credential ()', async (url, role) => {
      const owner = new URL(database.url).username;
      expect(await saidBy(url)).toBe(
        `The tables in the schema public belong to ${owner}, not to the role ${role} of DATABASE_URL; as a superuser: GRANT "${owner}" TO "${role}";`,
      );
    });
  });

  it('that there is no such database, or that the password is wrong', async () => {
    const url = new URL(database.url);
    url.pathname = '/nothing_here';
    expect(await saidBy(url.href)).toMatch(
      /^DATABASE_URL leads to no usable database: database "nothing_here" does not exist; CREATE DATABASE … OWNER … makes it\.$/,
    );
    url.pathname = '/postgres';
    url.password = 'wrong';
    expect(await saidBy(url.href)).toMatch(
      /^DATABASE_URL leads to no usable database: password authentication failed for user/,
    );
  });

  it('that its connections are shared by a transaction pooler, used or idle', async () => {
    const own = await createTestDatabase();
    const pooler = await TransactionPooler.start(own.url);
    try {
      await expect(startApp(pooler.url)).rejects.toThrow(/^DATABASE_URL must be a direct or session-pooled connection/);
    } finally {
      await pooler.stop();
      await own.drop();
    }
  });
});

describe('sslmode means what libpq says', () => {
  const with_ = (mode: string, more = ''): string => `postgres://u:p@127.0.0.1:1/d?sslmode=${mode}${more}`;
  const sslOf = (url: string): unknown =>
    (new DatabaseClient(clientOptions(url, 'test')) as unknown as { ssl: unknown }).ssl;

  it('in which modes a certificate is checked, and its name', () => {
    expect(sslOf('postgres://u:p@127.0.0.1:1/d')).toBe(false);
    expect(sslOf(with_('disable'))).toBe(false);
    expect(sslOf(with_('require'))).toEqual({ rejectUnauthorized: false });
    expect(sslOf(with_('prefer'))).toEqual({ rejectUnauthorized: false });
    expect(sslOf(with_('verify-full'))).toEqual({});
    const file = encodeURIComponent(new URL('../support/certificate.ts', import.meta.url).pathname);
    expect(sslOf(with_('verify-ca', `&sslrootcert=${file}`))).toMatchObject({
      ca: expect.any(String),
      checkServerIdentity: expect.any(Function),
    });
    expect(sslOf(with_('require', `&sslrootcert=${file}`))).toMatchObject({
      ca: expect.any(String),
      checkServerIdentity: expect.any(Function),
    });
    expect(sslOf(with_('verify-full', '&sslrootcert=system'))).toEqual({});
    // No TLS over a Unix socket.
    expect(sslOf('postgres://u:p@localhost/d?host=%2Frun%2Fpostgresql&sslmode=require')).toBe(false);
  });

  it('and says what is wrong with the others', () => {
    expect(() => sslOf(with_('verify-ca'))).toThrow(DatabaseUrlError);
    expect(() => sslOf(with_('sometimes'))).toThrow(
      'DATABASE_URL: sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full, not sometimes.',
    );
    expect(() => sslOf(with_('verify-full', '&sslrootcert=/nowhere.pem'))).toThrow(
      'DATABASE_URL: /nowhere.pem cannot be read (ENOENT).',
    );
  });

  it('prefer goes on without TLS where the server has none, require does not', async () => {
    // The cluster of the tests does no TLS; it is reached by TCP through a proxy.
    const proxy = await DatabaseProxy.start(database.url);
    try {
      const settled = await settleTransport(`${proxy.url}?sslmode=prefer`);
      expect(new URL(settled).searchParams.get('sslmode')).toBe('disable');
      expect(new URL(await settleTransport(`${proxy.url}?sslmode=allow`)).searchParams.get('sslmode')).toBe('disable');
      expect(await saidBy(`${proxy.url}?sslmode=require`)).toBe(
        'DATABASE_URL leads to no usable database: The server does not support SSL connections; use sslmode=prefer, or disable.',
      );
    } finally {
      await proxy.stop();
    }
  });
});
