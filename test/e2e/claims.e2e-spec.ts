// The rules are those of docs/claims.md.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Api,
  deviceToken,
  newHardwareId,
  newNonce,
  newtToken,
  provision,
  register,
  type TestKey,
  TestOrg,
} from '../support/api.js';
import { queryDatabase } from '../support/database.js';
import { startServer, type TestServer, until } from '../support/server.js';

let server: TestServer;
let second: TestServer;
let root: Api;

beforeAll(async () => {
  server = await startServer();
  second = await startServer({ databaseUrl: server.databaseUrl });
  root = Api.root(server);
});
afterAll(async () => {
  await second?.stop();
  await server?.stop();
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(server.databaseUrl, text, values);
const siteOf = async (deviceId: string) =>
  (
    await sql<{
      site_id: number;
      status: string;
      name: string;
      labels: object;
      claim_id: number;
      key_id: string;
      key_generation: number;
      template_id: number;
    }>('SELECT * FROM site WHERE device_id = $1', [deviceId])
  )[0]!;
/** Rows that one claim must have made, for every site of the organization. */
const rowsOf = async (orgId: string) =>
  (
    await sql<Record<string, number>>(
      `SELECT (SELECT count(*) FROM site WHERE org_id = $1)::int AS sites,
        (SELECT count(*) FROM site_credential WHERE org_id = $1)::int AS credentials,
        (SELECT count(*) FROM claim WHERE org_id = $1 AND outcome = 'created')::int AS claims,
        (SELECT count(*) FROM audit WHERE org_id = $1 AND action = 'site.claim' AND result = 'success')::int AS audit,
        (SELECT count(*) FROM event WHERE org_id = $1 AND type = 'device.provisioned')::int AS events,
        (SELECT sum(uses) FROM provisioning_key WHERE org_id = $1)::int AS uses,
        (SELECT sum(g.uses) FROM provisioning_key_generation g JOIN provisioning_key USING (key_id) WHERE org_id = $1)::int AS generation_uses`,
      [orgId],
    )
  )[0]!;
const allRows = (n: number) => ({
  sites: n,
  credentials: n,
  claims: n,
  audit: n,
  events: n,
  uses: n,
  generation_uses: n,
});

describe('the claim endpoint of devices', () => {
  it('answers 201 with the device id and its key, bare', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    const reply = await provision(server.url, {
      provision_key: key.siteProvisioningKey,
      device_name: 'Cold Store Sensor 014',
      hardware_id: 'AA:BB:CC:00:11:22',
    });
    expect(reply.status).toBe(201);
    expect(Object.keys(reply.body).slice(0, 2)).toEqual(['device_id', 'api_key']);
    expect(reply.body.device_id).toMatch(/^[0-9a-f-]{36}$/);
    expect(reply.body.api_key).toMatch(/^sk_live_[A-Za-z0-9_-]{43}$/);
    expect((await siteOf(reply.body.device_id)).name).toBe('Cold Store Sensor 014');
    expect((await deviceToken(server.url, reply.body.api_key)).status).toBe(200);
  });

  it('rule 4: knows a hardware id again: same device, no key, nothing made, nothing counted', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    const body = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId() };
    const first = await provision(server.url, body);
    const again = await provision(second.url, body);
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ device_id: first.body.device_id, api_key: '' });
    expect(await rowsOf(org.orgId)).toEqual(allRows(1));
    expect(await sql('SELECT count FROM claim WHERE org_id = $1', [org.orgId])).toEqual([{ count: 2 }]);
    expect((await deviceToken(server.url, first.body.api_key)).status).toBe(200);
  });

  it('compares hardware ids byte for byte', async () => {
    const key = await (await TestOrg.create(root)).key();
    const upper = await provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id: 'AA:BB' });
    const lower = await provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id: 'aa:bb' });
    expect([upper.status, lower.status]).toEqual([201, 201]);
    expect(lower.body.device_id).not.toBe(upper.body.device_id);
  });

  it.each([
    ['provision_key', { provision_key: 7 }],
    ['hardware_id', { hardware_id: '' }],
    ['hardware_id', { hardware_id: 'x'.repeat(129) }],
    ['hardware_id', { hardware_id: 'né' }],
    ['device_name', { device_name: 'a\u0000b' }],
    ['device_name', { device_name: 'x'.repeat(256) }],
    ['claim_nonce', { claim_nonce: 'short' }],
    ['csr', { csr: 'not a csr' }],
  ])('names %s when the body is not of the right shape', async (field, wrong) => {
    const reply = await provision(server.url, { provision_key: 'spk_x.y', ...wrong });
    expect(reply.status).toBe(400);
    expect(reply.text).toContain(field);
  });

  it('ignores fields that it does not know', async () => {
    const key = await (await TestOrg.create(root)).key();
    expect((await provision(server.url, { provision_key: key.siteProvisioningKey, firmware: '9.1' })).status).toBe(201);
  });
});

describe('the claim endpoint of newts', () => {
  it('answers an unmodified newt 201 with credentials that work', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    const reply = await register(server.url, {
      provisioningKey: key.siteProvisioningKey.replace('spk_', 'spk-'),
      name: 'edge-7',
    });
    expect(reply.status).toBe(201);
    expect(reply.body.data.newtId).toMatch(/^[a-z0-9]{15}$/);
    expect(reply.body.data.secret).toMatch(/^[a-z0-9]{48}$/);
    expect((await newtToken(server.url, reply.body.data.newtId, reply.body.data.secret)).status).toBe(200);
    expect((await org.sites()).sites).toMatchObject([
      { name: 'edge-7', status: 'approved', address: '100.90.128.0/17' },
    ]);
  });

  it('recognises an agent with a hardware id: 200, the newt id, no secret', async () => {
    const key = await (await TestOrg.create(root)).key();
    const body = { provisioningKey: key.siteProvisioningKey, hardwareId: newHardwareId() };
    const first = await register(server.url, body);
    const again = await register(server.url, body);
    expect(again.status).toBe(200);
    expect(again.body.data).toEqual({ newtId: first.body.data.newtId, secret: '' });
  });

  it('recognises by nonce alone', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    const body = { provisioningKey: key.siteProvisioningKey, claimNonce: newNonce() };
    const [first, again] = [await register(server.url, body), await register(server.url, body)];
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(await sql('SELECT count(*)::int AS n FROM site WHERE org_id = $1', [org.orgId])).toEqual([{ n: 1 }]);
    expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(1);
  });

  it('can be closed by the template', async () => {
    const key = await (await TestOrg.create(root)).keyUnder({ newtDoor: false });
    expect((await register(server.url, { provisioningKey: key.siteProvisioningKey })).status).toBe(401);
    expect((await provision(server.url, { provision_key: key.siteProvisioningKey })).status).toBe(201);
  });
});

describe('rule 1: the tenant comes from the key', () => {
  it('the same hardware id in two organizations is two devices that know nothing of each other', async () => {
    const [one, other] = [await TestOrg.create(root), await TestOrg.create(root)];
    const hardware_id = newHardwareId();
    const claim_nonce = newNonce();
    const mine = await provision(server.url, {
      provision_key: (await one.key()).siteProvisioningKey,
      hardware_id,
      claim_nonce,
    });
    const theirs = await provision(server.url, {
      provision_key: (await other.key()).siteProvisioningKey,
      hardware_id,
      claim_nonce,
      orgId: one.orgId,
    });
    expect([mine.status, theirs.status]).toEqual([201, 201]);
    expect(theirs.body.device_id).not.toBe(mine.body.device_id);
    expect(await rowsOf(one.orgId)).toEqual(allRows(1));
    expect(await rowsOf(other.orgId)).toEqual(allRows(1));
  });
});

describe('rule 3: limits are exact', () => {
  it('400 claims at once on 50 uses, at two server processes, make 50 of everything', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key({ maxBatchSize: 50 });
    const replies = await Promise.all(
      Array.from({ length: 400 }, (_, i) =>
        provision(i % 2 ? server.url : second.url, { provision_key: key.siteProvisioningKey }),
      ),
    );
    const statuses = replies.map((r) => r.status);
    expect(statuses.filter((s) => s === 201)).toHaveLength(50);
    expect(statuses.every((s) => s === 201 || s === 403 || s === 429)).toBe(true);
    expect(await rowsOf(org.orgId)).toEqual(allRows(50));
    expect(new Set(replies.filter((r) => r.status === 201).map((r) => r.body.device_id)).size).toBe(50);
    expect((await org.readKey(key.siteProvisioningKeyId)).state).toBe('exhausted');
    expect(
      await sql(`SELECT count(*)::int AS n FROM event WHERE org_id = $1 AND type = 'key.exhausted'`, [org.orgId]),
    ).toEqual([{ n: 1 }]);
    expect(await sql('SELECT count(DISTINCT address)::int AS n FROM site WHERE org_id = $1', [org.orgId])).toEqual([
      { n: 50 },
    ]);
  });

  it('one hardware id claimed forty times at once at two processes makes one site and spends one use', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key({ maxBatchSize: 5 });
    const hardware_id = newHardwareId();
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        provision(i % 2 ? server.url : second.url, { provision_key: key.siteProvisioningKey, hardware_id }),
      ),
    );
    expect(replies.map((r) => r.status).sort()).toEqual([...Array<number>(39).fill(200), 201]);
    expect(new Set(replies.map((r) => r.body.device_id)).size).toBe(1);
    expect(await rowsOf(org.orgId)).toEqual(allRows(1));
  });

  it('one hardware id claimed at once with two keys makes one site and spends one use in all', async () => {
    const org = await TestOrg.create(root);
    const keys = [await org.key(), await org.key()];
    const ids = Array.from({ length: 20 }, newHardwareId);
    const replies = await Promise.all(
      ids.flatMap((hardware_id) =>
        keys.map((key, i) =>
          provision(i ? server.url : second.url, { provision_key: key.siteProvisioningKey, hardware_id }),
        ),
      ),
    );
    expect(replies.filter((r) => r.status === 201)).toHaveLength(20);
    expect(replies.filter((r) => r.status === 200)).toHaveLength(20);
    expect(await rowsOf(org.orgId)).toEqual(allRows(20));
  });

  it('the one-time flag means exactly one', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key({ oneTime: true });
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => provision(server.url, { provision_key: key.siteProvisioningKey })),
    );
    expect(replies.filter((r) => r.status === 201)).toHaveLength(1);
  });
});

describe('rule 5: a lost answer never orphans a device', () => {
  const lost = async (key: TestKey, extra: Record<string, unknown> = {}) => {
    const body = {
      provision_key: key.siteProvisioningKey,
      hardware_id: newHardwareId(),
      claim_nonce: newNonce(),
      ...extra,
    };
    return { body, first: await provision(server.url, body) };
  };

  it('the same nonce re-issues, the earlier credentials stay valid, and the first use settles it', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    const { body, first } = await lost(key);
    const again = await provision(second.url, body);
    const third = await provision(server.url, body);
    expect(again.status).toBe(201);
    expect(again.body.device_id).toBe(first.body.device_id);
    expect(new Set([first, again, third].map((r) => r.body.api_key)).size).toBe(3);
    expect((await deviceToken(server.url, again.body.api_key)).status).toBe(200);
    expect((await deviceToken(server.url, first.body.api_key)).status).toBe(401);
    expect((await deviceToken(server.url, third.body.api_key)).status).toBe(401);
    expect((await deviceToken(server.url, again.body.api_key)).status).toBe(200);
    const closed = await provision(server.url, body);
    expect(closed.status).toBe(200);
    expect(closed.body.api_key).toBe('');
    expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(1);
  });

  it('the first credential still works after a re-issue that got lost too', async () => {
    const { body, first } = await lost(await (await TestOrg.create(root)).key());
    const again = await provision(server.url, body);
    expect((await deviceToken(second.url, first.body.api_key)).status).toBe(200);
    expect((await deviceToken(server.url, again.body.api_key)).status).toBe(401);
  });

  it('works on a key since used up or expired, not on one disabled or revoked', async () => {
    const org = await TestOrg.create(root);
    const usedUp = await org.key({ maxBatchSize: 1 });
    const a = await lost(usedUp);
    expect((await provision(server.url, a.body)).status).toBe(201);

    const expiring = await org.key({ validUntil: new Date(Date.now() + 3_600_000).toISOString() });
    const b = await lost(expiring);
    await sql(`UPDATE provisioning_key SET expires_at = now() - interval '1 second' WHERE key_id = $1`, [
      expiring.siteProvisioningKeyId,
    ]);
    expect((await provision(server.url, b.body)).status).toBe(201);

    const disabled = await org.key();
    const c = await lost(disabled);
    await root.expect('PATCH', org.path(`site-provisioning-key/${disabled.siteProvisioningKeyId}`), {
      status: 'disabled',
    });
    expect((await provision(second.url, c.body)).status).toBe(403);

    const revoked = await org.key();
    const d = await lost(revoked);
    await root.expect('POST', org.path(`site-provisioning-key/${revoked.siteProvisioningKeyId}/revoke`));
    expect((await provision(second.url, d.body)).status).toBe(403);
  });

  it('ends 24 hours after the first claim', async () => {
    const { body, first } = await lost(await (await TestOrg.create(root)).key());
    await sql(
      `UPDATE claim_window w SET opened_at = now() - interval '24 hours 1 second' FROM site s WHERE s.site_id = w.site_id AND s.device_id = $1`,
      [first.body.device_id],
    );
    expect(await provision(server.url, body)).toMatchObject({ status: 200, body: { api_key: '' } });
  });

  it('re-issues at most 20 times', async () => {
    const { body } = await lost(await (await TestOrg.create(root)).key());
    const statuses: number[] = [];
    for (let i = 0; i < 21; i++) statuses.push((await provision(server.url, body)).status);
    expect(statuses).toEqual([...Array<number>(20).fill(201), 200]);
  });

  it('a different nonce, or none, is recognised without a secret; a different one is contested', async () => {
    const org = await TestOrg.create(root);
    const { body } = await lost(await org.key());
    expect(await provision(server.url, { ...body, claim_nonce: undefined })).toMatchObject({
      status: 200,
      body: { api_key: '' },
    });
    for (let i = 0; i < 3; i++) {
      expect(await provision(server.url, { ...body, claim_nonce: newNonce() })).toMatchObject({
        status: 200,
        body: { api_key: '' },
      });
    }
    expect(await sql(`SELECT count FROM claim WHERE org_id = $1 AND outcome = 'contested'`, [org.orgId])).toEqual([
      { count: 3 },
    ]);
    expect(
      await sql(`SELECT count(*)::int AS n FROM event WHERE org_id = $1 AND type = 'claim.contested'`, [org.orgId]),
    ).toEqual([{ n: 1 }]);
  });

  it('never once an operator revoked the site', async () => {
    const { body, first } = await lost(await (await TestOrg.create(root)).key());
    await root.expect('POST', `/site/${(await siteOf(first.body.device_id)).site_id}/revoke`, {});
    expect((await provision(server.url, body)).status).toBe(403);
    expect((await deviceToken(server.url, first.body.api_key)).status).toBe(401);
  });

  it('two credentials used for the first time at once: one works, the other is revoked', async () => {
    const key = await (await TestOrg.create(root)).key();
    for (let round = 0; round < 10; round++) {
      const { body, first } = await lost(key);
      const again = await provision(server.url, body);
      const uses = await Promise.all([
        deviceToken(server.url, first.body.api_key),
        deviceToken(second.url, again.body.api_key),
      ]);
      expect(uses.map((u) => u.status).sort()).toEqual([200, 401]);
    }
  });
});

describe('rule 6: a used-up key still recognises its own', () => {
  it('and nobody else; an expired key refuses', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key({ maxBatchSize: 1 });
    const other = await org.key({ maxBatchSize: 1 });
    const mine = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId() };
    const theirs = { provision_key: other.siteProvisioningKey, hardware_id: newHardwareId() };
    const first = await provision(server.url, mine);
    await provision(server.url, theirs);
    expect(await provision(server.url, mine)).toMatchObject({
      status: 200,
      body: { device_id: first.body.device_id, api_key: '' },
    });
    expect((await provision(server.url, { ...mine, provision_key: other.siteProvisioningKey })).status).toBe(403);
    expect((await provision(server.url, { provision_key: key.siteProvisioningKey })).status).toBe(403);
    await sql(`UPDATE provisioning_key SET expires_at = now() - interval '1 second' WHERE key_id = $1`, [
      key.siteProvisioningKeyId,
    ]);
    expect((await provision(server.url, mine)).status).toBe(403);
  });

  it('the pattern is checked before the site is looked up', async () => {
    const org = await TestOrg.create(root);
    const { templateId } = await org.template({});
    const key = await org.key({ templateId });
    const body = { provision_key: key.siteProvisioningKey, hardware_id: 'SN-1' };
    expect((await provision(server.url, body)).status).toBe(201);
    await root.expect('POST', org.path(`provisioning-template/${templateId}`), { hardwareIdPattern: 'AB-[0-9]+' });
    expect((await provision(second.url, body)).status).toBe(403);
  });
});

describe('rules 8 and 9: contradictions and patterns', () => {
  it.each([
    ['maxBatchSize', { oneTime: true, maxBatchSize: 5 }],
    ['maxBatchSize', { oneTime: true, maxBatchSize: null }],
    ['maxBatchSize is required', { maxBatchSize: undefined }],
    ['validUntil', { validUntil: '2099-02-30' }],
    ['status', { status: 'revoked' }],
    ['validUntil', { validUntil: '2001-01-01T00:00:00Z' }],
    ['validUntil', { validUntil: 'tomorrow-ish' }],
    ['maxBatchSize', { maxBatchSize: 0 }],
    ['name', { name: '' }],
    ['surprise', { surprise: 1 }],
  ])('a key with a wrong %s is 400', async (field, body) => {
    const org = await TestOrg.create(root);
    const reply = await root.put(org.path('site-provisioning-key'), { name: 'x', maxBatchSize: null, ...body });
    expect(reply.status).toBe(400);
    expect(reply.body.message).toContain(field);
  });

  it('a template, profile or group that is not there is 404, and nothing is made', async () => {
    const [org, other] = [await TestOrg.create(root), await TestOrg.create(root)];
    const { templateId } = await other.template({});
    const { profileId } = await root.expect<{ profileId: number }>('PUT', other.path('provisioning-profile'), {
      name: 'p',
    });
    const { groupId } = await root.expect<{ groupId: number }>('PUT', other.path('group'), { name: 'g' });
    const key = await org.key({});
    const mine = await org.template({});
    for (const absent of [
      { templateId, profileId, groupIds: [groupId] },
      { templateId: 999_999_999, profileId: 999_999_999, groupIds: [999_999_999] },
    ]) {
      const [template, profile, groups] = [
        { templateId: absent.templateId },
        { profileId: absent.profileId },
        { groupIds: absent.groupIds },
      ];
      const tries: ['put' | 'post' | 'patch', string, object, string][] = [
        [
          'put',
          'site-provisioning-key',
          { name: 'x', maxBatchSize: null, ...template },
          'Provisioning template not found',
        ],
        ['patch', `site-provisioning-key/${key.siteProvisioningKeyId}`, template, 'Provisioning template not found'],
        ['put', 'provisioning-template', { name: 'x', ...profile }, 'Provisioning profile not found'],
        ['put', 'provisioning-template', { name: 'x', ...groups }, 'Group not found'],
        ['post', `provisioning-template/${mine.templateId}`, profile, 'Provisioning profile not found'],
        ['post', `provisioning-template/${mine.templateId}`, groups, 'Group not found'],
        ['put', 'provisioning-profile', { name: 'x', ...groups }, 'Group not found'],
      ];
      for (const [method, path, body, message] of tries) {
        expect(await root[method](org.path(path), body), `${method} ${path}`).toMatchObject({
          status: 404,
          body: { code: 'not_found', message },
        });
      }
    }
    expect(await root.expect('GET', org.path('provisioning-templates'))).toMatchObject({ pagination: { total: 2 } });
  });

  it('a pattern that does not compile, or is longer than 256 characters, is 400', async () => {
    const org = await TestOrg.create(root);
    for (const hardwareIdPattern of ['(', '(?=x)', 'x'.repeat(257)]) {
      expect((await root.put(org.path('provisioning-template'), { name: 'p', hardwareIdPattern })).status).toBe(400);
    }
  });

  it('a pattern is anchored to the whole id', async () => {
    const key = await (await TestOrg.create(root)).keyUnder({ hardwareIdPattern: 'SN-[0-9]{3}' });
    const statuses = await Promise.all(
      ['SN-123', 'SN-1234', 'xSN-123'].map(
        async (hardware_id) =>
          (await provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id })).status,
      ),
    );
    expect(statuses).toEqual([201, 403, 403]);
    expect((await register(server.url, { provisioningKey: key.siteProvisioningKey })).status).toBe(401);
  });
});

describe('rule 7: keys are provisioning-scoped', () => {
  it('a provisioning key authorizes nothing but claims, an API key cannot claim', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    for (const path of [org.path('sites'), '/orgs', '/user', '/device/self', org.path('site-provisioning-keys')]) {
      expect((await root.as(key.siteProvisioningKey).get(path)).status, path).toBeGreaterThanOrEqual(401);
      expect((await root.as(key.siteProvisioningKey).get(path)).status, path).toBeLessThan(405);
    }
    expect((await provision(server.url, { provision_key: server.rootKey })).status).toBe(403);
  });

  it('a site credential reads its own site and nothing else', async () => {
    const org = await TestOrg.create(root);
    const { body } = await provision(server.url, { provision_key: (await org.key()).siteProvisioningKey });
    const device = root.as(body.api_key);
    expect((await device.get('/device/self')).status).toBe(200);
    for (const path of [org.path('sites'), `/site/${(await siteOf(body.device_id)).site_id}`, '/orgs']) {
      expect([401, 403, 404], path).toContain((await device.get(path)).status);
    }
  });
});

describe('rule 12: lineage', () => {
  it('a site knows its claim, key, generation and template, also when the key is gone', async () => {
    const org = await TestOrg.create(root);
    const { templateId } = await org.template({});
    const key = await org.key({ templateId });
    const { body } = await provision(server.url, { provision_key: key.siteProvisioningKey });
    await root.expect('DELETE', org.path(`site-provisioning-key/${key.siteProvisioningKeyId}`));
    const site = await siteOf(body.device_id);
    expect(site).toMatchObject({ key_id: key.siteProvisioningKeyId, key_generation: 1, template_id: templateId });
    expect(await sql('SELECT site_id, outcome FROM claim WHERE claim_id = $1', [site.claim_id])).toEqual([
      { site_id: site.site_id, outcome: 'created' },
    ]);
    expect((await provision(server.url, { provision_key: key.siteProvisioningKey })).status).toBe(403);
  });
});

describe('rule 13: factory reset and squatting have a way out', () => {
  it('an armed site is re-issued once, with any valid key of the organization, and the old credential ends', async () => {
    const org = await TestOrg.create(root);
    const [key, other] = [await org.key(), await org.key()];
    const body = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId() };
    const first = await provision(server.url, body);
    expect((await deviceToken(server.url, first.body.api_key)).status).toBe(200);
    const { site_id } = await siteOf(first.body.device_id);
    await root.expect('POST', `/site/${site_id}/allow-reclaim`, { expiresInSeconds: 3600 });
    const anew = await provision(second.url, { ...body, provision_key: other.siteProvisioningKey });
    expect(anew.status).toBe(201);
    expect(anew.body.device_id).toBe(first.body.device_id);
    await until(async () => (await deviceToken(server.url, first.body.api_key)).status === 401);
    expect((await deviceToken(server.url, anew.body.api_key)).status).toBe(200);
    expect((await provision(server.url, body)).status).toBe(200);
    expect((await root.post(`/site/${site_id}/allow-reclaim`, { expiresInSeconds: 86_401 })).status).toBe(400);
  });

  it('a revoked site comes back by the next claim once its tombstone is lifted, and not before', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    const body = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId(), claim_nonce: newNonce() };
    const first = await provision(server.url, body);
    const { site_id } = await siteOf(first.body.device_id);
    await root.expect('POST', `/site/${site_id}/revoke`, {});
    expect((await provision(server.url, body)).status).toBe(403);
    expect((await root.post(`/site/${site_id}/allow-reclaim`, { expiresInSeconds: 60 })).status).toBe(409);
    for (const status of ['approved', 'pending'])
      expect((await root.post(`/site/${site_id}`, { status })).status).toBe(409);
    await root.expect('DELETE', org.path(`tombstone/${encodeURIComponent(body.hardware_id)}`));
    const back = await provision(second.url, body);
    expect([back.status, back.body.device_id]).toEqual([201, first.body.device_id]);
    expect((await deviceToken(server.url, back.body.api_key)).status).toBe(200);
    expect((await deviceToken(server.url, first.body.api_key)).status).toBe(401);
    expect(await root.expect('GET', `/site/${site_id}`)).toMatchObject({ revokedAt: null, status: 'approved' });
  });

  it('policy reissue hands over while the key lives; policy refuse refuses', async () => {
    const org = await TestOrg.create(root);
    const reissue = await org.keyUnder({ reclaimPolicy: 'reissue' });
    const body = { provision_key: reissue.siteProvisioningKey, hardware_id: newHardwareId() };
    const [first, anew] = [await provision(server.url, body), await provision(server.url, body)];
    expect(anew).toMatchObject({ status: 201, body: { device_id: first.body.device_id } });
    expect((await deviceToken(server.url, first.body.api_key)).status).toBe(401);
    expect((await deviceToken(server.url, anew.body.api_key)).status).toBe(200);

    const refuse = await org.keyUnder({ reclaimPolicy: 'refuse' });
    const strict = { provision_key: refuse.siteProvisioningKey, hardware_id: newHardwareId() };
    expect((await provision(server.url, strict)).status).toBe(201);
    expect((await provision(server.url, strict)).status).toBe(403);
  });

  it('a tombstone keeps a hardware id out until an operator lifts it', async () => {
    const org = await TestOrg.create(root);
    const key = await org.keyUnder({ approveNewSites: false });
    const hardware_id = 'AA:BB/CC 14';
    const first = await provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id });
    const { site_id, status } = await siteOf(first.body.device_id);
    expect(status).toBe('pending');
    await root.expect('DELETE', `/site/${site_id}`);
    expect((await provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id })).status).toBe(403);
    await root.expect('DELETE', org.path(`tombstone/${encodeURIComponent(hardware_id)}`));
    expect((await provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id })).status).toBe(201);
  });
});

describe('rule 15: a full address pool is not a refusal', () => {
  it('answers 503, spends and makes nothing, and tells once', async () => {
    const org = await TestOrg.create(root, { subnet: '100.90.128.0/30' });
    const key = await org.key();
    const replies = await Promise.all(
      Array.from({ length: 12 }, () => provision(server.url, { provision_key: key.siteProvisioningKey })),
    );
    expect(replies.filter((r) => r.status === 201)).toHaveLength(4);
    const full = replies.filter((r) => r.status === 503);
    expect(full).toHaveLength(8);
    expect(full[0]!.text).toBe('{"error":"capacity"}');
    expect(full[0]!.headers.get('retry-after')).toBe('60');
    const newt = await register(server.url, { provisioningKey: key.siteProvisioningKey });
    expect([newt.status, newt.body.code]).toEqual([503, 'capacity']);
    expect(await rowsOf(org.orgId)).toEqual(allRows(4));
    expect(
      await sql(`SELECT count(*)::int AS n FROM event WHERE org_id = $1 AND type = 'pool.exhausted'`, [org.orgId]),
    ).toEqual([{ n: 1 }]);
  });
});

describe('operators', () => {
  it('pause and resume every claim of the organization at once', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    await root.expect('POST', org.path('claims/pause'));
    const paused = await provision(second.url, { provision_key: key.siteProvisioningKey });
    expect([paused.status, paused.text]).toEqual([503, '{"error":"claims_paused"}']);
    expect(paused.headers.get('retry-after')).not.toBeNull();
    await root.expect('POST', org.path('claims/resume'));
    expect((await provision(second.url, { provision_key: key.siteProvisioningKey })).status).toBe(201);
  });

  it('rotate: both secrets work during the overlap, and uses show per generation', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key({ maxBatchSize: 10 });
    const id = key.siteProvisioningKeyId;
    await provision(server.url, { provision_key: key.siteProvisioningKey });
    const rotated = await root.expect<TestKey>('POST', org.path(`site-provisioning-key/${id}/rotate`), {
      overlapSeconds: 3600,
    });
    expect(rotated.siteProvisioningKeyId).toBe(id);
    for (const secret of [key, rotated, rotated])
      expect((await provision(second.url, { provision_key: secret.siteProvisioningKey })).status).toBe(201);
    const read = await org.readKey(id);
    expect(read.numUsed).toBe(4);
    expect(read.generations).toMatchObject([
      { generation: 1, uses: 2, state: 'overlapping', lastUsedIp: '127.0.0.1' },
      { generation: 2, uses: 2, state: 'current', lastUsedIp: '127.0.0.1' },
    ]);
    await root.expect('POST', org.path(`site-provisioning-key/${id}/rotate`), { overlapSeconds: 0 });
    for (const secret of [key, rotated])
      expect((await provision(server.url, { provision_key: secret.siteProvisioningKey })).status).toBe(403);
  });

  it('rotate under continuous claims: no claim with a valid secret is refused, uses are shared and exact', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key({ maxBatchSize: 1000 });
    let secret = key.siteProvisioningKey;
    let running = true;
    const statuses: number[] = [];
    const claimers = Array.from({ length: 8 }, async (_, i) => {
      while (running)
        statuses.push((await provision(i % 2 ? server.url : second.url, { provision_key: secret })).status);
    });
    for (let i = 0; i < 10; i++) {
      secret = (
        await root.expect<TestKey>('POST', org.path(`site-provisioning-key/${key.siteProvisioningKeyId}/rotate`), {
          overlapSeconds: 3600,
        })
      ).siteProvisioningKey;
    }
    running = false;
    await Promise.all(claimers);
    expect(new Set(statuses)).toEqual(new Set([201]));
    expect(await rowsOf(org.orgId)).toEqual(allRows(statuses.length));
  });

  it('revoke while it claims: what was answered 201 exists, nothing is made after the revocation was answered', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    let made = 0;
    let running = true;
    const claimers = Array.from({ length: 8 }, async (_, i) => {
      while (running) {
        const { status } = await provision(i % 2 ? server.url : second.url, { provision_key: key.siteProvisioningKey });
        if (status === 201) made++;
        else running = false;
      }
    });
    await until(() => made > 20);
    await root.expect('POST', org.path(`site-provisioning-key/${key.siteProvisioningKeyId}/revoke`));
    const [{ n: atRevocation }] = (await sql<{ n: number }>('SELECT count(*)::int AS n FROM site WHERE org_id = $1', [
      org.orgId,
    ])) as [{ n: number }];
    await Promise.all(claimers);
    expect(await rowsOf(org.orgId)).toEqual(allRows(made));
    expect(made).toBe(atRevocation);
  });

  it('what a site inherits: labels, groups and config of the profile, groups of the template, its name', async () => {
    const org = await TestOrg.create(root);
    const [a, b] = [
      await root.expect<{ groupId: number }>('PUT', org.path('group'), { name: 'a' }),
      await root.expect<{ groupId: number }>('PUT', org.path('group'), { name: 'b' }),
    ];
    const { profileId } = await root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
      name: 'factory',
      labels: { plant: 'Ulm', line: '4' },
      groupIds: [a!.groupId],
      config: { interval: 5 },
      blueprint: 'public-resources: {}\n',
    });
    const key = await org.keyUnder({ profileId, groupIds: [b!.groupId], nameTemplate: 'edge-{{hardwareId}}' });
    const { body } = await provision(server.url, {
      provision_key: key.siteProvisioningKey,
      hardware_id: 'SN-9',
      device_name: undefined,
    });
    expect(await siteOf(body.device_id)).toMatchObject({
      name: 'edge-SN-9',
      labels: { plant: 'Ulm', line: '4' },
      config: { interval: 5 },
    });
    expect(
      await sql('SELECT count(*)::int AS n FROM site_group_member m JOIN site USING (site_id) WHERE device_id = $1', [
        body.device_id,
      ]),
    ).toEqual([{ n: 2 }]);
    expect((await root.as(body.api_key).get<never>('/device/self')).text).toContain('"interval":5');
    expect(
      (await root.put(org.path('provisioning-profile'), { name: 'big', blueprint: 'x'.repeat(262_145) })).status,
    ).toBe(400);
    expect((await root.delete(org.path(`provisioning-profile/${profileId}`))).status).toBe(409);
  });
});
