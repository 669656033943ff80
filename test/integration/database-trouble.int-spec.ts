import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newHardwareId, newNonce, newtToken, provision, type Reply, register, TestOrg } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let key: string;

beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  key = (await org.key()).siteProvisioningKey;
  await app.sql(
    `CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trouble' USING ERRCODE = TG_ARGV[0]; END $$`,
  );
});
afterAll(() => app?.close());

/** Every such change of the table fails with this SQLSTATE while `call` runs. */
async function failing<T>(change: string, state: string, call: () => Promise<T>): Promise<T> {
  const table = change.split(' ').at(-1);
  await app.sql(`CREATE TRIGGER trouble BEFORE ${change} FOR EACH ROW EXECUTE FUNCTION trouble('${state}')`);
  try {
    return await call();
  } finally {
    await app.sql(`DROP TRIGGER trouble ON ${table}`);
  }
}

const CODES: Record<string, string> = {
  '57014': 'database_busy',
  '55P03': 'database_busy',
  '40P01': 'database_busy',
  '40001': 'database_busy',
  '53200': 'database_busy',
  '53100': 'database_full',
};
let port = 7000;
const machine = () => ({ hardwareId: newHardwareId(), claimNonce: newNonce() });

/** What is asked, and the change in which it fails. */
const calls: Record<string, [change: string, call: () => Promise<() => Promise<Reply<unknown>>>]> = {
  'POST /provision': [
    'INSERT ON claim',
    async () => () => provision(app.root.url, { provision_key: key, hardware_id: newHardwareId() }),
  ],
  'POST /auth/newt/register': [
    'INSERT ON site',
    async () => () => register(app.root.url, { provisioningKey: key, ...machine() }),
  ],
  'POST /auth/newt/get-token': [
    'UPDATE ON claim_window',
    async () => {
      const { newtId, secret } = (await register(app.root.url, { provisioningKey: key, ...machine() })).body.data;
      return () => newtToken(app.root.url, newtId, secret);
    },
  ],
  'PUT /org/{orgId}/blueprint': [
    'INSERT ON blueprint',
    async () => {
      const document = `public-resources: {web: {name: web, protocol: tcp, proxy-port: ${++port}}}`;
      return () => app.root.put(org.path('blueprint'), { blueprint: Buffer.from(document).toString('base64') });
    },
  ],
  'DELETE /org/{orgId}': [
    'DELETE ON org',
    async () => {
      const doomed = await TestOrg.create(app.root);
      return () => app.root.delete(`/org/${doomed.orgId}`);
    },
  ],
};

describe.each(Object.entries(calls))('%s', (name, [change, prepare]) => {
  it.each(Object.entries(CODES))('%s is 503 %s with Retry-After, and nothing was done', async (state, code) => {
    const call = await prepare();
    const reply = (await failing(change, state, call)) as Reply<{ code?: string; error?: string | boolean }>;
    expect([reply.status, name === 'POST /provision' ? reply.body.error : reply.body.code]).toEqual([503, code]);
    expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await call()).status).toBeLessThan(300);
  });
});

describe('a claim whose organization changes under it', () => {
  it.each(['POST /provision', 'POST /auth/newt/register'])(
    '%s answers no 404 or 409, which its door does not know',
    async (name) => {
      const [change, prepare] = calls[name]!;
      const reply = (await failing(change, '23503', await prepare())) as Reply<{
        code?: string;
        error?: string | boolean;
      }>;
      expect([reply.status, name === 'POST /provision' ? reply.body.error : reply.body.code]).toEqual([
        503,
        'database_busy',
      ]);
    },
  );
});

it('a lock that somebody keeps is 503 for a claim and for the deletion of the organization', async () => {
  const { siteProvisioningKey, siteProvisioningKeyId } = await org.key();
  const client = new pg.Client({ connectionString: app.database.url });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT 1 FROM provisioning_key WHERE key_id = $1 FOR UPDATE', [siteProvisioningKeyId]);
    const replies = await Promise.all([
      provision(app.root.url, { provision_key: siteProvisioningKey, hardware_id: newHardwareId() }),
      register(app.root.url, { provisioningKey: siteProvisioningKey, ...machine() }),
      app.root.delete(`/org/${org.orgId}`),
    ]);
    expect(replies.map((reply) => reply.status)).toEqual([503, 503, 503]);
    for (const reply of replies) expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
    await client.query('ROLLBACK');
  } finally {
    await client.end();
  }
  expect(
    (await provision(app.root.url, { provision_key: siteProvisioningKey, hardware_id: newHardwareId() })).status,
  ).toBe(201);
});
