import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../src/operations/diagnosis/diagnosis.dto.js';
import { deviceToken, newHardwareId, provision, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let key: string;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  key = (await org.key({ approveNewSites: true })).siteProvisioningKey;
});
afterAll(() => app?.close());

interface Device {
  siteId: number;
  apiKey: string;
  hardwareId: string;
}
async function device(provisioningKey = key): Promise<Device> {
  const hardwareId = newHardwareId();
  const { body } = await provision(app.root.url, { provision_key: provisioningKey, hardware_id: hardwareId });
  const [row] = await app.sql<{ siteId: number }>('SELECT site_id AS "siteId" FROM site WHERE device_id = $1', [
    body.device_id,
  ]);
  return { siteId: row!.siteId, apiKey: body.api_key, hardwareId };
}
async function connect({ apiKey }: Device): Promise<TestSession> {
  const { body } = await deviceToken(app.root.url, apiKey);
  const session = await TestSession.connect(`${app.root.url.replace('http', 'ws')}/api/v1/ws`, body.data.token);
  await session.hello();
  return session;
}
/** A device whose session was cut off. */
async function lost(): Promise<Device> {
  const one = await device();
  (await connect(one)).cut();
  await until(
    async () => (await app.root.expect<{ lastDisconnect: object | null }>('GET', `/site/${one.siteId}`)).lastDisconnect,
  );
  return one;
}
const diagnose = (siteId: number) => app.root.expect<Diagnosis>('GET', `/site/${siteId}/diagnosis`);
const checkOf = ({ checks }: Diagnosis, name: string) => checks.find(({ check }) => check === name)!;
const causeOf = (diagnosis: Diagnosis) => checkOf(diagnosis, diagnosis.cause!);

describe('the diagnosis of a site', () => {
  it('finds nothing wrong with one that is connected, and says where from and how it was made', async () => {
    const one = await device();
    const session = await connect(one);
    const found = await until(async () => {
      const diagnosis = await diagnose(one.siteId);
      return checkOf(diagnosis, 'version').state === 'unknown' ? undefined : diagnosis;
    });
    expect(found.checks.filter(({ state, check }) => state === 'failed' && check !== 'version')).toEqual([]);
    // TestSession calls itself 0.1.0.
    expect(checkOf(found, 'version').evidence[0]!.text).toContain('0.1.0');
    expect(checkOf(found, 'claimed').evidence).toEqual([
      { text: expect.stringContaining('provisioning key'), at: expect.any(String), address: '127.0.0.1' },
    ]);
    expect(checkOf(found, 'connection')).toMatchObject({
      state: 'ok',
      evidence: [{ text: 'Connected', address: '127.0.0.1' }],
    });
    await session.close();
  });

  it('says how the last session ended, when and from where', async () => {
    const { siteId } = await lost();
    const { lastDisconnect } = await app.root.expect<{ lastDisconnect: { at: string } }>('GET', `/site/${siteId}`);
    const diagnosis = await diagnose(siteId);
    expect(causeOf(diagnosis)).toMatchObject({
      check: 'connection',
      since: lastDisconnect.at,
      evidence: [
        { text: 'The connection broke without a close', at: lastDisconnect.at, address: '127.0.0.1' },
        { text: 'That session began', address: '127.0.0.1' },
      ],
      nextStep: expect.stringMatching(/power and network/),
    });
  });

  it('says that the organization is closed, since when and by whom, until it is reopened', async () => {
    const mine = await TestOrg.create(app.root);
    const { siteProvisioningKey } = await mine.key({ approveNewSites: true });
    const { siteId } = await device(siteProvisioningKey);
    const { closedAt } = await app.root.expect<{ closedAt: string }>('POST', mine.path('close'));
    expect(causeOf(await diagnose(siteId))).toMatchObject({
      check: 'organization',
      since: closedAt,
      evidence: [{ text: expect.stringContaining('closed by test'), at: closedAt }],
      nextStep: expect.stringContaining('reopen'),
    });
    await app.root.expect('POST', mine.path('reopen'));
    expect((await diagnose(siteId)).cause).toBe('connection');
  });

  const sql = (text: string) => (one: Device) => app.sql(text, [one.siteId]);
  it.each<[string, string, (one: Device) => Promise<unknown>]>([
    ['not_revoked', 'was revoked', (one) => app.root.expect('POST', `/site/${one.siteId}/revoke`, {})],
    [
      'not_suspended',
      'Suspended by',
      (one) => app.root.expect('POST', `/site/${one.siteId}`, { status: 'pending', note: 'noisy' }),
    ],
    [
      'credential',
      'ended',
      sql(
        `UPDATE site_credential SET expires_at = now() - interval '1 minute', renew_until = now() + interval '1 day' WHERE site_id = $1`,
      ),
    ],
    ['credential', 'revoked', sql('UPDATE site_credential SET revoked_at = now() WHERE site_id = $1')],
    ['credential', 'none', sql('DELETE FROM site_credential WHERE site_id = $1')],
    // It lost its credential, claims again, and is recognised without one.
    [
      'reclaim',
      'recognised, without a credential',
      (one) => provision(app.root.url, { provision_key: key, hardware_id: one.hardwareId }),
    ],
  ])('%s: %s', async (check, text, act) => {
    const one = await lost();
    await act(one);
    const found = await until(async () => {
      const diagnosis = await diagnose(one.siteId);
      return diagnosis.cause === 'connection' ? undefined : causeOf(diagnosis);
    });
    expect(found).toMatchObject({ check, state: 'failed', nextStep: expect.stringMatching(/./) });
    expect(found.evidence.map((fact) => fact.text).join('\n')).toContain(text);
  });

  it('reclaim: the private reason of a refusal', async () => {
    const one = await lost();
    const closed = await org.key({ approveNewSites: true });
    await app.root.expect('PATCH', org.path(`site-provisioning-key/${closed.siteProvisioningKeyId}`), {
      status: 'disabled',
    });
    await provision(app.root.url, { provision_key: closed.siteProvisioningKey, hardware_id: one.hardwareId });
    const found = await until(async () => {
      const diagnosis = await diagnose(one.siteId);
      return diagnosis.cause === 'reclaim' && causeOf(diagnosis);
    });
    expect(found.evidence[0]).toMatchObject({
      text: expect.stringContaining('its key is disabled'),
      address: '127.0.0.1',
    });
    expect(found.nextStep).toContain('Enable the provisioning key');
    const told = await (await app.orgKey(org.orgId, 'getSite', 'listClaims')).expect<Diagnosis>(
      'GET',
      `/site/${one.siteId}/diagnosis`,
    );
    expect(causeOf(told)).toEqual(found);
    const reader = await app.orgKey(org.orgId, 'getSite');
    const withheld = causeOf(await reader.expect<Diagnosis>('GET', `/site/${one.siteId}/diagnosis`));
    expect(withheld).toEqual({
      ...found,
      evidence: [{ ...found.evidence[0], text: 'Its machine claimed again and was refused' }],
      nextStep: expect.stringContaining('may read claims'),
    });
  });

  it('approved, and connection of one that never was', async () => {
    const waiting = await device((await org.key({ approveNewSites: false })).siteProvisioningKey);
    expect((await diagnose(waiting.siteId)).cause).toBe('approved');
    await app.root.expect('POST', `/site/${waiting.siteId}`, { status: 'approved' });
    expect(causeOf(await diagnose(waiting.siteId))).toMatchObject({
      check: 'connection',
      nextStep: expect.stringMatching(/Start the agent/),
    });
  });

  it.each<[string, string]>([
    ['copies', `INSERT INTO credential_reuse (site_id, address) VALUES ($1, '198.51.100.9')`],
    [
      'copies',
      `INSERT INTO site_lease (site_id, org_id, jti, expires_at, cloned_at) SELECT site_id, org_id, 'j', now(), now() FROM site WHERE site_id = $1`,
    ],
    [
      'copies',
      `INSERT INTO claim (org_id, site_id, door, outcome, address) SELECT org_id, site_id, 'device', 'contested', '198.51.100.9' FROM site WHERE site_id = $1`,
    ],
    [
      'duplicate_session',
      `INSERT INTO event (org_id, type, site_id, data) SELECT org_id, 'site.duplicate_session', site_id, '{"establishedAddress": "192.0.2.1", "newcomerAddress": "192.0.2.2"}' FROM site WHERE site_id = $1`,
    ],
    [
      'state_applied',
      `INSERT INTO agent_report AS r (site_id, org_id, applied_version, applied_error) SELECT site_id, org_id, 1, 'disk full' FROM site WHERE site_id = $1 ON CONFLICT (site_id) DO UPDATE SET applied_error = 'disk full'`,
    ],
    [
      'bundle',
      `INSERT INTO site_bundle (site_id, org_id, version, inputs, state, reason) SELECT site_id, org_id, 1, '{}', 'failed', 'exit 3' FROM site WHERE site_id = $1`,
    ],
    [
      'blueprint',
      `INSERT INTO blueprint (org_id, site_id, name, source, kind, succeeded, message, contents) SELECT org_id, site_id, 'b', 'NEWT', 'file', false, 'no such domain', '' FROM site WHERE site_id = $1`,
    ],
    [
      'blueprint',
      `INSERT INTO profile_blueprint_due (site_id, attempts, due_at) VALUES ($1, 3, now() + interval '1 hour')`,
    ],
  ])('%s of one that is connected: %s', async (check, statement) => {
    const one = await device();
    const session = await connect(one);
    await app.sql(statement, [one.siteId]);
    const diagnosis = await diagnose(one.siteId);
    expect(diagnosis.cause).toBe(check);
    expect(causeOf(diagnosis)).toMatchObject({ state: 'failed', nextStep: expect.stringMatching(/./) });
    expect(causeOf(diagnosis).evidence.length).toBeGreaterThan(0);
    await session.close();
  });

  it('is for who may read the site', async () => {
    const { siteId } = await device();
    const reader = await app.orgKey(org.orgId, 'getSite');
    expect((await reader.get(`/site/${siteId}/diagnosis`)).status).toBe(200);
    const other = await app.orgKey(org.orgId, 'listSites');
    expect((await other.get(`/site/${siteId}/diagnosis`)).status).toBe(403);
    const { orgId } = await TestOrg.create(app.root);
    const stranger = await app.orgKey(orgId, 'getSite');
    expect((await stranger.get(`/site/${siteId}/diagnosis`)).status).toBe(404);
  });
});

describe('the diagnosis of a resource', () => {
  it('follows the chain from the resource to what answers behind it', async () => {
    const one = await device();
    const { resourceId } = await app.root.expect<{ resourceId: number }>('PUT', org.path('resource'), {
      name: 'Raw',
      http: false,
      protocol: 'tcp',
      proxyPort: 23456,
    });
    const look = () => app.root.expect<Diagnosis>('GET', `/resource/${resourceId}/diagnosis`);
    expect((await look()).cause).toBe('targets');
    const { targetId } = await app.root.expect<{ targetId: number }>('PUT', `/resource/${resourceId}/target`, {
      siteId: one.siteId,
      ip: '10.0.0.1',
      port: 80,
    });
    const offline = await look();
    expect(offline.cause).toBe('sites');
    expect(causeOf(offline)).toMatchObject({
      evidence: [{ text: expect.stringContaining('never connected') }],
      nextStep: expect.stringContaining(`/site/${one.siteId}/diagnosis`),
    });
    const session = await connect(one);
    const fine = await look();
    expect(fine.cause).toBeNull();
    expect(checkOf(fine, 'traffic')).toMatchObject({ state: 'unknown', evidence: [{ text: expect.any(String) }] });
    expect(checkOf(fine, 'target_health').state).toBe('unknown');
    await app.sql(`UPDATE target SET hc_enabled = true, hc_health = 'unhealthy' WHERE target_id = $1`, [targetId]);
    expect(causeOf(await look())).toMatchObject({
      check: 'target_health',
      evidence: [{ text: expect.stringContaining('10.0.0.1:80') }],
    });
    expect(causeOf(await diagnose(one.siteId))).toMatchObject({
      check: 'resources',
      evidence: [{ text: 'Raw: 10.0.0.1:80 fails its health check' }],
    });
    await app.sql('UPDATE target SET enabled = false WHERE target_id = $1', [targetId]);
    expect((await look()).cause).toBe('targets');
    await app.sql('UPDATE resource SET maintenance_mode_enabled = true WHERE resource_id = $1', [resourceId]);
    expect((await look()).cause).toBe('maintenance');
    await app.sql(
      `INSERT INTO domain (domain_id, org_id, base_domain, type, verified, error_message) VALUES ('d1', $1, 'shop.example', 'cname', true, 'no such record')`,
      [org.orgId],
    );
    await app.sql(
      `INSERT INTO domain_record (domain_id, record_type, base_domain, value) VALUES ('d1', 'CNAME', 'shop.example', 'gate.example')`,
    );
    await app.sql(
      `UPDATE resource SET http = true, domain_id = 'd1', full_domain = 'shop.example' WHERE resource_id = $1`,
      [resourceId],
    );
    // Somebody else has proven it since.
    await app.sql(`UPDATE domain SET verified = false WHERE domain_id = 'd1'`);
    expect(causeOf(await look())).toMatchObject({
      check: 'domain',
      evidence: [
        { text: expect.stringContaining('no such record') },
        { text: 'Not found: CNAME shop.example gate.example' },
      ],
    });
    await app.sql('UPDATE resource SET enabled = false WHERE resource_id = $1', [resourceId]);
    expect((await look()).cause).toBe('enabled');
    await session.close();
  });
});
