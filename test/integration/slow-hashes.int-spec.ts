import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { HashQueue } from '#platform';
import type { Api } from '../support/api.js';
import { Api as Client } from '../support/api.js';
import { CSRF, createUser, logIn, type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/server.js';

/** What bcrypt is asked for; comparisons end when they are let. */
const asked = vi.hoisted(() => ({
  hashes: 0,
  comparisons: 0,
  running: 0,
  most: 0,
  held: false,
  waiting: [] as (() => void)[],
}));
vi.mock('bcrypt', async (original) => {
  const { default: real } = await original<{ default: typeof import('bcrypt') }>();
  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    asked.most = Math.max(asked.most, ++asked.running);
    try {
      if (asked.held) await new Promise<void>((go) => asked.waiting.push(go));
      return await work();
    } finally {
      asked.running--;
    }
  };
  return {
    default: {
      hash: (text: string) => (asked.hashes++, counted(() => real.hash(text, 4))),
      // That of nobody's password takes its time, as it should.
      compare: (text: string, hash: string) => (
        asked.comparisons++, counted(async () => !hash.startsWith('$2b$12') && real.compare(text, hash))
      ),
    },
  };
});

const PASSWORD = 'battery staple';
let database: TestDatabase;
let server: StartedApp;
beforeAll(async () => {
  database = await createTestDatabase();
  server = await startApp(database.url, { TRUST_PROXY: 'loopback', REFUSALS_PER_MINUTE: '1000000' });
});
afterAll(async () => {
  await server?.close();
  await database?.drop();
});
beforeEach(() => Object.assign(asked, { hashes: 0, comparisons: 0, running: 0, most: 0, held: false }));

describe('a flood of logins from a dozen addresses', () => {
  it('shuts out nobody else: a login from elsewhere comes in the next round, keys and sessions do not wait', async () => {
    await createUser(server, { email: 'known@example.com', password: PASSWORD });
    const session = await logIn(server.url, 'known@example.com', PASSWORD);
    const from = (address: string, email: string, password: string) =>
      new Client(server.url, undefined, { ...CSRF, 'x-forwarded-for': address }).post('/auth/login', {
        email,
        password,
      });
    const queue = server.app.get(HashQueue);
    asked.held = true;
    // Each with a name of its own that nobody has, and the honest one's name too.
    const flood = Array.from({ length: 240 }, (_, i) =>
      from(`198.51.100.${i % 12}`, i % 20 === 0 ? 'known@example.com' : `nobody-${i}@example.com`, 'wrong password'),
    );
    await until(() => asked.waiting.length === 2 && queue['waiting'] === 200);
    expect((await server.root.get('/orgs')).status).toBe(200);
    expect((await session.get('/user')).status).toBe(200);
    let answer: number | undefined;
    const honest = from('203.0.113.9', 'known@example.com', PASSWORD).then(({ status }) => (answer = status));
    await until(() => queue['sources'].has('203.0.113.9'));
    let ended = 0;
    for (; answer === undefined; ended++) {
      await until(() => asked.waiting.length > 0 || answer !== undefined);
      asked.waiting.shift()?.();
      // Its session is written while the next ones wait.
      if (!queue['sources'].has('203.0.113.9')) break;
    }
    expect(ended).toBeLessThan(20);
    asked.held = false;
    asked.waiting.splice(0).forEach((go) => go());
    expect(await honest).toBe(200);
    const statuses = (await Promise.all(flood)).map(({ status, body }) => `${status} ${body.code}`);
    expect([...new Set(statuses)].sort()).toEqual(['401 unauthenticated', '503 capacity']);
  });
});

describe('secrets of a blueprint', () => {
  const document = (n: number, password: string) =>
    `public-resources:\n${Array.from(
      { length: n },
      (_, i) =>
        `  web-${i}:\n    name: Web ${i}\n    protocol: http\n    full-domain: web-${i}.example.org\n    auth:\n      password: ${password}-${i}\n      pincode: "123456"\n      basic-auth: {user: u, password: ${password}}\n`,
    ).join('')}`;
  const apply = (text: string, api: Api = server.root) =>
    api.put('/org/acme/blueprint', { blueprint: Buffer.from(text).toString('base64') });
  const rows = () =>
    queryDatabase<{ version: number; secrets: string[] }>(
      database.url,
      `SELECT version, ARRAY[password_hash, pincode_hash, header_auth_hash] AS secrets FROM resource WHERE org_id = 'acme' ORDER BY nice_id`,
    );
  const reset = () => Object.assign(asked, { hashes: 0, comparisons: 0, most: 0 });

  it('are hashed two at a time; unchanged ones are recognised without', async () => {
    await server.root.expect('PUT', '/org', { orgId: 'acme', name: 'Acme' });
    await server.root.expect('PUT', '/org/acme/domain', { type: 'wildcard', baseDomain: 'example.org' });
    const first = await apply(document(20, 'first'));
    expect(first.status, first.text).toBeLessThan(300);
    expect(asked).toMatchObject({ hashes: 60, comparisons: 0, most: 2 });
    const before = await rows();
    expect(before.flatMap(({ secrets }) => secrets).every((stored) => /^\$2b\$04\$.{53}:[\w-]{43}$/.test(stored))).toBe(
      true,
    );
    // Equal PINs have nothing in common.
    expect(new Set(before.map(({ secrets }) => secrets[1]!.split(':')[1])).size).toBe(20);

    reset();
    expect((await apply(document(20, 'first'))).status).toBeLessThan(300);
    expect([asked.hashes, asked.comparisons, await rows()]).toEqual([0, 0, before]);

    reset();
    expect((await apply(document(20, 'first').replace('first-7', 'another'))).status).toBeLessThan(300);
    expect(asked).toMatchObject({ hashes: 1, comparisons: 1 });
    expect((await rows()).filter(({ secrets }, i) => secrets.join() !== before[i]!.secrets.join())).toHaveLength(1);
  });

  it('of 0.1.0, stored without what recognises them, are compared once and stay as they are', async () => {
    await queryDatabase(
      database.url,
      `UPDATE resource SET password_hash = split_part(password_hash, ':', 1) WHERE nice_id = 'web-3'`,
    );
    const before = await rows();
    for (const comparisons of [1, 0]) {
      reset();
      expect((await apply(document(20, 'first').replace('first-7', 'another'))).status).toBeLessThan(300);
      expect([asked.hashes, asked.comparisons, await rows()]).toEqual([0, comparisons, before]);
    }
  });

  it("that were set by hand meanwhile are not taken for the document's", async () => {
    const [{ id }] = (await queryDatabase<{ id: number }>(
      database.url,
      `SELECT resource_id AS id FROM resource WHERE nice_id = 'web-1'`,
    )) as [{ id: number }];
    const [, mac] = (await rows())[1]!.secrets[0]!.split(':') as [string, string];
    expect((await server.root.post(`/resource/${id}/password`, { password: 'by hand' })).status).toBe(201);
    // Nor a hash of another secret with the mark of the former one.
    await queryDatabase(
      database.url,
      `UPDATE resource SET password_hash = split_part(password_hash, ':', 1) || ':' || $1 WHERE nice_id = 'web-1'`,
      [mac],
    );
    reset();
    await apply(document(20, 'first').replace('first-7', 'another'));
    expect(asked).toMatchObject({ hashes: 1, comparisons: 1 });
  });
});
