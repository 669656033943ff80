// The rules are those of docs/claims.md.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, newHardwareId, newNonce, provision, type Reply, register, TestOrg } from '../support/api.js';
import { queryDatabase } from '../support/database.js';
import { startServer, type TestServer, until } from '../support/server.js';

let server: TestServer;
let root: Api;

beforeAll(async () => {
  server = await startServer({ env: { REFUSALS_PER_MINUTE: '1000000' } });
  root = Api.root(server);
});
afterAll(async () => {
  await server?.stop();
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(server.databaseUrl, text, values);
/** Minutes of the clock, each with shares of its own, from then until now. */
const minutesSince = (start: number) => Math.floor(Date.now() / 60_000) - Math.floor(start / 60_000) + 1;
const expire = (id: string) =>
  sql(`UPDATE provisioning_key SET expires_at = now() - interval '1 second' WHERE key_id = $1`, [id]);

/** One claim per private reason, each set up for real; the name is the reason that the record must hold. */
async function reasons(org: TestOrg): Promise<Record<string, { key: string; hardwareId: string }>> {
  const good = await org.key();
  const path = (id: string, rest = '') => org.path(`site-provisioning-key/${id}${rest}`);
  const disabled = await org.key();
  await root.expect('PATCH', path(disabled.siteProvisioningKeyId), { status: 'disabled' });
  const revoked = await org.key();
  await root.expect('POST', path(revoked.siteProvisioningKeyId, '/revoke'));
  const expired = await org.key();
  await expire(expired.siteProvisioningKeyId);
  const used = await org.key({ maxBatchSize: 1 });
  await provision(server.url, { provision_key: used.siteProvisioningKey });
  const rotated = await org.key();
  await root.expect('POST', path(rotated.siteProvisioningKeyId, '/rotate'), { overlapSeconds: 0 });
  const patterned = await org.keyUnder({ hardwareIdPattern: 'never' });
  const certificate = await org.keyUnder({ credentialType: 'certificate' });
  const refusing = await org.keyUnder({ reclaimPolicy: 'refuse' });
  const known = newHardwareId();
  await provision(server.url, { provision_key: refusing.siteProvisioningKey, hardware_id: known });
  const stone = newHardwareId();
  await sql(`INSERT INTO tombstone (org_id, hardware_id, reason) VALUES ($1, $2, 'rejected')`, [org.orgId, stone]);
  const id = (key: string) => key.split('.')[0]!;
  return {
    malformed: { key: 'spk_nonsense', hardwareId: newHardwareId() },
    wrong_secret: { key: forge(id(good.siteProvisioningKey)), hardwareId: newHardwareId() },
    unknown_key: { key: forge('spk_nobodyhasthis00'), hardwareId: newHardwareId() },
    disabled: { key: disabled.siteProvisioningKey, hardwareId: newHardwareId() },
    revoked: { key: revoked.siteProvisioningKey, hardwareId: newHardwareId() },
    expired: { key: expired.siteProvisioningKey, hardwareId: newHardwareId() },
    used_up: { key: used.siteProvisioningKey, hardwareId: newHardwareId() },
    retired_generation: { key: rotated.siteProvisioningKey, hardwareId: newHardwareId() },
    pattern: { key: patterned.siteProvisioningKey, hardwareId: newHardwareId() },
    csr_missing: { key: certificate.siteProvisioningKey, hardwareId: newHardwareId() },
    reclaim_refused: { key: refusing.siteProvisioningKey, hardwareId: known },
    tombstoned: { key: good.siteProvisioningKey, hardwareId: stone },
  };
}

/** A key of the right form and checksum whose secret nobody issued. */
function forge(prefix: string): string {
  return makeKey(prefix.slice('spk_'.length));
}

let makeKey: (keyId: string) => string;
beforeAll(async () => {
  const { formatKey, newKeySecret } = await import('../../src/provisioning/keys/key-token.js');
  makeKey = (keyId) => formatKey({ keyId, secret: newKeySecret(keyId) });
});

/** All of an answer but the time and the random id that each has. */
const bytes = (reply: Reply<unknown>) => {
  const headers = [...reply.headers].filter(([name]) => name !== 'date' && name !== 'x-request-id');
  return JSON.stringify({ status: reply.status, headers, text: reply.text });
};

describe('rule 2: one uniform refusal', () => {
  it('is the same to the byte for every reason, at both endpoints, and the private reason is recorded', async () => {
    const org = await TestOrg.create(root);
    const cases = await reasons(org);
    const device = new Set<string>();
    const newt = new Set<string>();
    for (const { key, hardwareId } of Object.values(cases))
      device.add(bytes(await provision(server.url, { provision_key: key, hardware_id: hardwareId })));
    for (const [reason, { key, hardwareId }] of Object.entries(cases)) {
      if (reason !== 'csr_missing') newt.add(bytes(await register(server.url, { provisioningKey: key, hardwareId })));
    }
    expect(device.size, [...device].join('\n')).toBe(1);
    expect(newt.size, [...newt].join('\n')).toBe(1);
    expect([...device][0]).toContain('{\\"error\\":\\"permission_denied\\"}');
    expect([...device][0]).toContain('"status":403');
    expect([...newt][0]).toContain('Invalid provisioning key');
    expect([...newt][0]).toContain('"status":401');

    const attributed = Object.keys(cases).filter((r) => r !== 'malformed' && r !== 'unknown_key');
    const recorded = await until(async () => {
      const rows = await sql<{ reason: string }>(
        `SELECT DISTINCT reason FROM claim WHERE org_id = $1 AND outcome = 'refused'`,
        [org.orgId],
      );
      return rows.length >= attributed.length ? rows.map((r) => r.reason).sort() : undefined;
    });
    expect(recorded).toEqual(attributed.sort());
    const unattributed = await root.expect<{ claims: { reason: string; orgId: string | null }[] }>('GET', '/claims');
    expect(new Set(unattributed.claims.map((c) => c.reason))).toEqual(new Set(['malformed', 'unknown_key']));
    expect(unattributed.claims.every((c) => c.orgId === null)).toBe(true);
    expect(
      await sql(`SELECT 1 FROM claim WHERE org_id = $1 AND reason IN ('malformed', 'unknown_key')`, [org.orgId]),
    ).toEqual([]);
  });

  it('is the same under load: many at once for one reason, with one hardware id or a new one each, at both endpoints', async () => {
    const org = await TestOrg.create(root);
    const answers = { device: new Set<string>(), newt: new Set<string>() };
    for (const [reason, { key, hardwareId }] of Object.entries(await reasons(org))) {
      const ids = (i: number) =>
        i % 2 === 0 || reason === 'reclaim_refused' || reason === 'tombstoned' ? hardwareId : newHardwareId();
      const device = Array.from({ length: 40 }, (_, i) =>
        provision(server.url, { provision_key: key, hardware_id: ids(i) }),
      );
      const newt =
        reason === 'csr_missing'
          ? []
          : Array.from({ length: 40 }, (_, i) => register(server.url, { provisioningKey: key, hardwareId: ids(i) }));
      for (const reply of await Promise.all(device)) answers.device.add(bytes(reply));
      for (const reply of await Promise.all(newt)) answers.newt.add(bytes(reply));
    }
    expect(answers.device.size, [...answers.device].join('\n')).toBe(1);
    expect(answers.newt.size, [...answers.newt].join('\n')).toBe(1);
    expect([...answers.device][0]).toContain('"status":403');
    expect([...answers.newt][0]).toContain('"status":401');
  });

  it('is what a device gets that asks many times at once with a used-up or expired key, by hardware id or by nonce', async () => {
    const org = await TestOrg.create(root);
    const used = await org.key({ maxBatchSize: 1 });
    await provision(server.url, { provision_key: used.siteProvisioningKey });
    const expired = await org.key();
    await expire(expired.siteProvisioningKeyId);
    for (const key of [used, expired].map((one) => one.siteProvisioningKey)) {
      const hardware_id = newHardwareId();
      const nonce = { provisioningKey: key, claimNonce: newNonce() };
      const device = await Promise.all(
        Array.from({ length: 40 }, () => provision(server.url, { provision_key: key, hardware_id })),
      );
      expect(device.map((reply) => reply.status)).toEqual(device.map(() => 403));
      const newt = await Promise.all(Array.from({ length: 40 }, () => register(server.url, nonce)));
      expect(newt.map((reply) => reply.status)).toEqual(newt.map(() => 401));
    }
    const [recorded] = await until(async () => {
      const rows = await sql<{ n: number; reasons: string[] }>(
        `SELECT sum(count)::int AS n, array_agg(DISTINCT reason ORDER BY reason) AS reasons FROM claim WHERE org_id = $1 AND outcome = 'refused'`,
        [org.orgId],
      );
      return rows[0]!.n === 160 ? rows : undefined;
    });
    expect(recorded!.reasons).toEqual(['expired', 'used_up']);
  });

  it('a device that asks many times at once with a good key is one site, and every answer says so', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key({ maxBatchSize: 1 });
    const hardware_id = newHardwareId();
    const replies = await Promise.all(
      Array.from({ length: 40 }, () => provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id })),
    );
    expect(replies.map((reply) => reply.status).sort()).toEqual([...Array<number>(39).fill(200), 201]);
    expect(new Set(replies.map((reply) => reply.body.device_id)).size).toBe(1);
    expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(1);
  });

  it('never leaves before the floor, whatever the reason', async () => {
    const cases = await reasons(await TestOrg.create(root));
    for (const [reason, { key, hardwareId }] of Object.entries(cases)) {
      for (let i = 0; i < 5; i++) {
        const before = performance.now();
        await provision(server.url, { provision_key: key, hardware_id: hardwareId });
        expect(performance.now() - before, reason).toBeGreaterThanOrEqual(25);
      }
    }
  });

  it('becomes one row with a count beyond 100 a minute per key and reason', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    await expire(key.siteProvisioningKeyId);
    const start = Date.now();
    await Promise.all(
      Array.from({ length: 250 }, () => provision(server.url, { provision_key: key.siteProvisioningKey })),
    );
    const minutes = minutesSince(start);
    const recorded = () =>
      sql<{ rows: number; total: number }>(
        `SELECT count(*)::int AS rows, sum(count)::int AS total FROM claim WHERE org_id = $1`,
        [org.orgId],
      );
    const [row] = await until(async () => {
      const rows = await recorded();
      return rows[0]!.total === 250 ? rows : undefined;
    });
    expect(row!.rows).toBeLessThanOrEqual(101 * minutes);
    expect(row!.rows).toBeGreaterThanOrEqual(101);
  });
});

describe('rule 2: a flood of strangers', () => {
  // Of its own: refusals of other tests may still be on their way into the records.
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ env: { REFUSALS_PER_MINUTE: '1000000' } });
  });
  afterAll(async () => {
    await server?.stop();
  });

  it('leaves a share of rows with its victim and with nobody, all of it counted, while others are recorded as ever', async () => {
    const root = Api.root(server);
    const sql = <Row extends object>(text: string, values: unknown[] = []) =>
      queryDatabase<Row>(server.databaseUrl, text, values);
    const [victim, other] = [await TestOrg.create(root), await TestOrg.create(root)];
    const key = await victim.key();
    const expired = await other.key();
    await sql(`UPDATE provisioning_key SET expires_at = now() - interval '1 second' WHERE key_id = $1`, [
      expired.siteProvisioningKeyId,
    ]);
    const setUp = await sql<{ audit: number }>('SELECT count(*)::int AS audit FROM audit');
    const start = Date.now();
    const flood = Array.from({ length: 400 }, (_, i) => [
      provision(server.url, { provision_key: makeKey(key.siteProvisioningKeyId) }),
      provision(server.url, { provision_key: makeKey(`nobody${String(i).padStart(9, '0')}`) }),
      provision(server.url, { provision_key: `nonsense ${i}` }),
    ]).flat();
    flood.push(
      ...Array.from({ length: 5 }, () => provision(server.url, { provision_key: expired.siteProvisioningKey })),
    );
    expect(new Set((await Promise.all(flood)).map((reply) => reply.status))).toEqual(new Set([403]));
    const minutes = minutesSince(start);

    const recorded = () =>
      sql<{ reason: string; rows: number; total: number; orgs: string[] }>(
        `SELECT reason, count(*)::int AS rows, sum(count)::int AS total, array_agg(DISTINCT coalesce(org_id, '-')) AS orgs FROM claim WHERE outcome = 'refused' GROUP BY 1 ORDER BY 1`,
      );
    const found = await until(async () => {
      const rows = await recorded();
      return rows.reduce((sum, row) => sum + row.total, 0) === 1205 ? rows : undefined;
    });
    expect(found.map(({ reason, total, orgs }) => [reason, total, orgs])).toEqual([
      ['expired', 5, [other.orgId]],
      ['malformed', 400, ['-']],
      ['unknown_key', 400, ['-']],
      ['wrong_secret', 400, [victim.orgId]],
    ]);
    // 50 of this source in a minute, and a counting row each.
    const rows = Object.fromEntries(found.map((row) => [row.reason, row.rows]));
    expect(rows['expired']).toBe(5);
    expect(rows['malformed']! + rows['unknown_key']! + rows['wrong_secret']!).toBeLessThanOrEqual(53 * minutes);
    const after = await sql<{ audit: number }>('SELECT count(*)::int AS audit FROM audit');
    expect(after[0]!.audit - setUp[0]!.audit).toBeLessThanOrEqual(5 + 50 * minutes);
  });
});

describe('rule 10: rate limits protect without starving', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ env: { REFUSALS_PER_MINUTE: '50' } });
  });
  afterAll(async () => {
    await server?.stop();
  });

  it('turns refusals into 429 with Retry-After, never a correct key from the same address', async () => {
    const key = await (await TestOrg.create(Api.root(server))).key();
    const wrong = makeKey(key.siteProvisioningKeyId);
    const refusals = await Promise.all(
      Array.from({ length: 200 }, () => provision(server.url, { provision_key: wrong })),
    );
    const limited = refusals.filter((r) => r.status === 429);
    expect(limited.length).toBeGreaterThan(0);
    expect(Number(limited[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
    const claims = await Promise.all(
      Array.from({ length: 100 }, () => provision(server.url, { provision_key: key.siteProvisioningKey })),
    );
    expect(claims.every((r) => r.status === 201)).toBe(true);
  });
});
