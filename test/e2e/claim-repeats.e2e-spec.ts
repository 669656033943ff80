// The rules are those of docs/claims.md.
import { describe, expect, it } from 'vitest';
import { deviceToken, newHardwareId, newNonce, provision, register, type TestKey, TestOrg } from '../support/api.js';
import { root, second, server, setUpClaims, siteOf, sql } from '../support/claims.js';
import { until } from '../support/server.js';

setUpClaims();

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
