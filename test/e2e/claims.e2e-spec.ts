// The rules are those of docs/claims.md.
import { describe, expect, it } from 'vitest';
import {
  deviceToken,
  newHardwareId,
  newNonce,
  newtToken,
  provision,
  register,
  type TestKey,
  TestOrg,
} from '../support/api.js';
import { root, second, server, setUpClaims, siteOf, sql } from '../support/claims.js';
import { until } from '../support/server.js';

setUpClaims();

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
    await provision(second.url, body);
    expect(await sql('SELECT outcome, count FROM claim WHERE org_id = $1 ORDER BY claim_id', [org.orgId])).toEqual([
      { outcome: 'created', count: 1 },
      { outcome: 'recognised', count: 2 },
    ]);
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
