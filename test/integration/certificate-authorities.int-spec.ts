import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { webcrypto, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DeviceAuthorities, orgUidOf } from '#platform';
import { AuthoritiesService } from '../../src/provisioning/authority/authorities.service.js';
import { RevocationsRepository } from '../../src/provisioning/authority/revocations.repository.js';
import { Api, newHardwareId, newNonce, type Provisioned, provision, type TestKey } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createCsr } from '../support/certificate.js';
import { until } from '../support/server.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
let other: StartedApp;
beforeAll(async () => {
  app = await openTestApp({ PUBLIC_URL: 'https://gate.example' });
  other = await startApp(app.database.url);
});
afterAll(async () => {
  await other?.close();
  await app?.close();
});
x509.cryptoProvider.set(webcrypto as never);

interface Authorities {
  authorities: { caId: string; state: string; certificate: string; trustedUntil: string | null; sites: number }[];
}
interface Device {
  siteId: number;
  certificate: X509Certificate;
  chain: string;
  caId: string;
}

let serial = 0;
async function newOrg(): Promise<{ orgId: string; key: TestKey }> {
  const orgId = `ca${serial++}`;
  await app.makeOrg(orgId);
  const template = await app.root.expect<{ templateId: number }>('PUT', `/org/${orgId}/provisioning-template`, {
    name: 'certificates',
    credentialType: 'certificate',
  });
  const key = await app.root.expect<TestKey>('PUT', `/org/${orgId}/site-provisioning-key`, {
    name: 'key',
    templateId: template.templateId,
    maxBatchSize: null,
  });
  return { orgId, key };
}

async function enrol(key: TestKey, more: object = {}): Promise<Device> {
  const reply = await provision(app.root.url, {
    provision_key: key.siteProvisioningKey,
    hardware_id: newHardwareId(),
    csr: await createCsr(),
    ...more,
  });
  expect(reply.status).toBe(201);
  return deviceOf(reply.body);
}

async function deviceOf(body: Provisioned): Promise<Device> {
  const certificate = new X509Certificate(body.certificate!);
  const [row] = await app.sql<{ siteId: number; caId: string }>(
    'SELECT site_id AS "siteId", ca_id AS "caId" FROM site_credential WHERE serial = $1',
    [certificate.serialNumber.toLowerCase()],
  );
  return { ...row!, certificate, chain: body.certificate_chain! };
}

const crlOf = async (caId: string, url = app.root.url, headers: Record<string, string> = {}) =>
  fetch(`${url}/api/v1/ca/${caId}/crl`, { headers });
/** As if nobody had looked for a minute what is revoked. */
const minutePassed = (caId: string) =>
  app.sql(`UPDATE revocation_list SET looked_at = looked_at - interval '1 minute' WHERE ca_id = $1`, [caId]);
/** The list, once it says what is expected of it. */
async function listWith(caId: string, serials: string[], url = app.root.url): Promise<x509.X509Crl> {
  return until(async () => {
    await minutePassed(caId);
    const crl = new x509.X509Crl(await (await crlOf(caId, url)).arrayBuffer());
    const found = crl.entries.map((entry) => entry.serialNumber.toLowerCase()).sort();
    return JSON.stringify(found) === JSON.stringify([...serials].sort()) && crl;
  });
}
const serialOf = (device: Device) => device.certificate.serialNumber.toLowerCase();

function openssl(...args: string[]): string | null {
  try {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    return `${(error as { stdout?: string }).stdout ?? ''}${(error as { stderr?: string }).stderr ?? ''}`;
  }
}

describe('revocation lists (docs/credentials.md §6)', () => {
  it('hold what was revoked, what was deleted and what was superseded, signed by the authority', async () => {
    const { orgId, key } = await newOrg();
    const [kept, revoked, deleted, superseded] = [
      await enrol(key),
      await enrol(key),
      await enrol(key),
      await enrol(key),
    ] as Device[] & { length: 4 };
    const { caId } = kept!;
    const first = await listWith(caId, []);
    await app.root.expect('POST', `/site/${revoked!.siteId}/revoke`, {});
    await app.root.expect('DELETE', `/site/${deleted!.siteId}`);
    await app.sql(
      `UPDATE site_credential SET stage = 'previous', ends_at = now() - interval '1 second' WHERE site_id = $1`,
      [superseded!.siteId],
    );
    const crl = await listWith(caId, [revoked!, deleted!, superseded!].map(serialOf));
    const authority = new x509.X509Certificate(kept!.chain);
    expect(await crl.verify({ publicKey: authority })).toBe(true);
    expect(crl.issuer).toBe(authority.subject);
    expect(crl.nextUpdate!.getTime() - crl.thisUpdate.getTime()).toBe(7 * 86_400_000);
    const reason = (device: Device) => crl.findRevoked(serialOf(device))?.reason;
    expect([revoked!, deleted!, superseded!].map(reason)).toEqual([
      undefined,
      x509.X509CrlReason.cessationOfOperation,
      x509.X509CrlReason.superseded,
    ]);
    expect(crl.findRevoked(serialOf(kept!))).toBeNull();
    expect(numberOf(crl)).toBeGreaterThan(numberOf(first));
    // The site and its rows are gone for good, and every server says the same.
    await app.sql('DELETE FROM site WHERE site_id = $1', [superseded!.siteId]);
    const there = await listWith(caId, [revoked!, deleted!, superseded!].map(serialOf), other.url);
    expect(there.findRevoked(serialOf(superseded!))?.reason).toBe(x509.X509CrlReason.superseded);
    // Another organization's list knows nothing of it.
    const stranger = await newOrg();
    await listWith((await enrol(stranger.key)).caId, []);
    expect(orgId).not.toBe(stranger.orgId);
  });

  it('are understood by openssl, which refuses a revoked certificate and no other', async () => {
    if (openssl('version') === null) return;
    const { key } = await newOrg();
    const [good, bad] = [await enrol(key), await enrol(key)];
    await app.root.expect('POST', `/site/${bad.siteId}/revoke`, {});
    await listWith(good.caId, [serialOf(bad)]);
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-crl-'));
    try {
      const file = (name: string, content: string | Buffer) => {
        writeFileSync(join(folder, name), content);
        return join(folder, name);
      };
      const der = Buffer.from(await (await crlOf(good.caId)).arrayBuffer());
      const ca = file('ca.pem', good.chain);
      const crl = file('crl.der', der);
      expect(openssl('crl', '-inform', 'DER', '-in', crl, '-CAfile', ca, '-noout')).not.toBeNull();
      const pem = file(
        'crl.pem',
        `-----BEGIN X509 CRL-----\n${der
          .toString('base64')
          .match(/.{1,64}/g)!
          .join('\n')}\n-----END X509 CRL-----\n`,
      );
      const verify = (device: Device) =>
        openssl(
          'verify',
          '-CAfile',
          ca,
          '-CRLfile',
          pem,
          '-crl_check',
          '-purpose',
          'sslclient',
          file('device.pem', device.certificate.toString()),
        );
      expect(verify(good)).toContain('OK');
      expect(verify(bad)).toContain('certificate revoked');
      expect(openssl('crl', '-inform', 'DER', '-in', crl, '-text', '-noout')).toContain(serialOf(bad).toUpperCase());
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('are not sent again to who has them, and are named in certificates by the address that the operator gave', async () => {
    const { key } = await newOrg();
    const device = await enrol(key);
    const first = await crlOf(device.caId);
    expect(first.headers.get('content-type')).toBe('application/pkix-crl');
    expect(first.headers.get('cache-control')).toContain('public');
    const etag = first.headers.get('etag')!;
    expect((await crlOf(device.caId, undefined, { 'if-none-match': etag })).status).toBe(304);
    expect((await crlOf(device.caId, undefined, { 'if-none-match': '"0"' })).status).toBe(200);
    const since = first.headers.get('last-modified')!;
    expect((await crlOf(device.caId, undefined, { 'if-modified-since': since })).status).toBe(304);
    expect((await crlOf(device.caId, undefined, { 'if-modified-since': new Date(0).toUTCString() })).status).toBe(200);
    const parsed = new x509.X509Certificate(device.certificate.raw);
    const points = parsed.getExtension(x509.CRLDistributionPointsExtension)!;
    expect(JSON.stringify(points.toTextObject())).toContain(`https://gate.example/api/v1/ca/${device.caId}/crl`);
    for (const caId of ['a'.repeat(16), 'nonsense']) expect((await crlOf(caId)).status).toBe(404);
  });

  it('of 100,000 entries is made in pages, by one of many who ask', async () => {
    const { key } = await newOrg();
    const { caId } = await enrol(key);
    await app.sql(
      `INSERT INTO revoked_certificate (ca_id, serial, reason, revoked_at, expires_at)
       SELECT $1, '40' || encode(sha256(n::text::bytea), 'hex'), 4, now(), now() + interval '1 day' FROM generate_series(1, 100000) n`,
      [caId],
    );
    const answers = await until(async () => {
      await minutePassed(caId);
      const all = await Promise.all(Array.from({ length: 8 }, () => crlOf(caId)));
      const sizes = await Promise.all(all.map(async (answer) => (await answer.arrayBuffer()).byteLength));
      return Math.min(...sizes) > 5_000_000 && all;
    });
    expect(new Set(answers.map((answer) => answer.headers.get('etag'))).size).toBe(1);
    const [row] = await app.sql<{ entries: number; number: number }>(
      'SELECT entries, number FROM revocation_list WHERE ca_id = $1',
      [caId],
    );
    expect(row!.entries).toBe(100_000);
    // What has expired is no longer in it.
    await app.sql(`UPDATE revoked_certificate SET expires_at = now() WHERE ca_id = $1`, [caId]);
    await listWith(caId, []);
  });

  it('are made once a minute at most, by one server of all, whoever asks', async () => {
    const { key } = await newOrg();
    const device = await enrol(key);
    const { caId } = device;
    const first = numberOf(await listWith(caId, []));
    await listWith(caId, [], other.url);
    await app.sql('UPDATE revocation_list SET looked_at = now() WHERE ca_id = $1', [caId]);
    const servers = [
      { url: app.root.url, repository: app.get(RevocationsRepository) },
      { url: other.url, repository: other.app.get(RevocationsRepository) },
    ].map(({ url, repository }) => ({
      url,
      asked: vi.spyOn(repository, 'standing'),
      counted: vi.spyOn(repository, 'content'),
    }));
    await app.root.expect('POST', `/site/${device.siteId}/revoke`, {});
    const number = async (url: string) => numberOf(new x509.X509Crl(await (await crlOf(caId, url)).arrayBuffer()));
    for (const { url, asked } of servers) {
      await until(async () => (await number(url)) === first && asked.mock.calls.length > 1);
      expect(await number(url)).toBe(first);
    }
    expect(servers.map(({ counted }) => counted.mock.calls.length)).toEqual([0, 0]);
    await minutePassed(caId);
    await until(async () => {
      const all = await Promise.all(servers.flatMap(({ url }) => Array.from({ length: 4 }, () => number(url))));
      return all.every((one) => one === first + 1);
    });
    expect(servers.reduce((sum, { counted }) => sum + counted.mock.calls.length, 0)).toBe(1);
    vi.restoreAllMocks();
  });

  it('are the last one while a server makes the next, and come from another when that one has died', async () => {
    const { key } = await newOrg();
    const device = await enrol(key);
    await listWith(device.caId, []);
    await app.root.expect('POST', `/site/${device.siteId}/revoke`, {});
    await minutePassed(device.caId);
    const making = app.db.dataSource.createQueryRunner();
    await making.startTransaction();
    await making.query('SELECT FROM revocation_list WHERE ca_id = $1 FOR UPDATE', [device.caId]);
    const found = vi.spyOn(other.app.get(RevocationsRepository), 'take');
    const entries = async () =>
      new x509.X509Crl(await (await crlOf(device.caId, other.url)).arrayBuffer()).entries.length;
    await until(async () => (await entries()) === 0 && found.mock.settledResults.length > 0);
    expect(found.mock.settledResults).toContainEqual({ type: 'fulfilled', value: null });
    expect(await entries()).toBe(0);
    await making.rollbackTransaction();
    await making.release();
    await until(async () => (await entries()) === 1);
    found.mockRestore();
  });

  it('are refused above 500,000 entries: one that lacks some would pass them off as good', async () => {
    const { key } = await newOrg();
    const { caId } = await enrol(key);
    await listWith(caId, []);
    for (const { url, get } of [
      { url: app.root.url, get: app.get },
      { url: other.url, get: other.app.get.bind(other.app) },
    ]) {
      const counted = vi.spyOn(get(RevocationsRepository), 'content');
      counted.mockResolvedValue({ entries: '500001', marks: '1' });
      await until(async () => {
        await minutePassed(caId);
        const answer = await crlOf(caId, url);
        return answer.status === 503 && (await answer.text()).includes('capacity');
      });
      counted.mockRestore();
      // Whoever counted, there is none for anybody.
      await app.sql('UPDATE revocation_list SET looked_at = now() WHERE ca_id = $1', [caId]);
      for (const one of [app.root.url, other.url]) await until(async () => (await crlOf(caId, one)).status === 503);
    }
    await until(async () => {
      await minutePassed(caId);
      return (await crlOf(caId)).status === 200;
    });
    await listWith(caId, [], other.url);
  });
});

function numberOf(crl: x509.X509Crl): number {
  const value = Buffer.from(crl.extensions.find(({ type }) => type === '2.5.29.20')!.value);
  return value.subarray(2).readUIntBE(0, value[1]!);
}

describe('rotation of an authority (docs/credentials.md §7)', () => {
  const listed = async (orgId: string) =>
    (await app.root.expect<Authorities>('GET', `/org/${orgId}/certificate-authorities`)).authorities;

  it('lets the next one issue at every server, and believes the former one for the overlap', async () => {
    const { orgId, key } = await newOrg();
    const before = await enrol(key);
    expect(await listed(orgId)).toMatchObject([{ caId: before.caId, state: 'current', sites: 1, trustedUntil: null }]);
    const { authorities } = await app.root.expect<Authorities>('POST', `/org/${orgId}/certificate-authority/rotate`, {
      overlapSeconds: 3600,
    });
    expect(authorities.map(({ state, sites }) => [state, sites])).toEqual([
      ['current', 0],
      ['previous', 1],
    ]);
    const { caId } = authorities[0]!;
    const trusted = (id: string) => other.app.get(DeviceAuthorities).trusted(id);
    expect((await trusted(before.caId))?.orgId).toBe(orgId);
    const uid = await orgUidOf(app.db.manager, operator, orgId);
    expect(await app.get(AuthoritiesService).sitesToMove(uid, 0, 10)).toEqual([before.siteId]);
    const after = await until(async () => {
      const reply = await provision(other.url, {
        provision_key: key.siteProvisioningKey,
        hardware_id: newHardwareId(),
        csr: await createCsr(),
      });
      const device = await deviceOf(reply.body as Provisioned);
      return device.caId === caId && device;
    });
    expect(after.certificate.verify(new X509Certificate(authorities[0]!.certificate).publicKey)).toBe(true);

    // The end of the overlap can be moved to an earlier time, and never to a later one.
    await app.root.expect('POST', `/org/${orgId}/certificate-authority/rotate`, { overlapSeconds: 7200 });
    const until1 = (await listed(orgId)).find((one) => one.caId === before.caId)!.trustedUntil;
    expect(until1).toBe(authorities[1]!.trustedUntil);
    await app.root.expect('POST', `/org/${orgId}/certificate-authority/rotate`, { overlapSeconds: 0 });
    expect((await listed(orgId)).map(({ state }) => state)).toEqual(['current', 'retired', 'retired', 'retired']);
    await until(async () => (await trusted(before.caId)) === null && (await trusted(caId)) === null);
    // Its list is still there for whoever checks old signatures.
    expect((await crlOf(before.caId)).status).toBe(200);
  });

  it('of two at once one wins; too many at a time are refused; nobody without the right may', async () => {
    const { orgId } = await newOrg();
    await listed(orgId);
    const rotate = (api: Api = app.root) =>
      api.post(`/org/${orgId}/certificate-authority/rotate`, { overlapSeconds: 3600 });
    const replies = await Promise.all([rotate(), rotate(new Api(other.url, app.root.authorization)), rotate()]);
    expect(replies.some(({ status }) => status === 200)).toBe(true);
    const states = (await listed(orgId)).map(({ state }) => state);
    expect(states.filter((state) => state === 'current')).toHaveLength(1);
    expect(states).toHaveLength(1 + replies.filter(({ status }) => status === 200).length);
    const statuses: number[] = [];
    for (let i = 0; i < 12; i++) statuses.push((await rotate()).status);
    expect(statuses.at(-1)).toBe(409);
    expect((await listed(orgId)).filter(({ state }) => state === 'previous')).toHaveLength(10);
    expect((await rotate(await app.orgKey(orgId, 'getOrg'))).status).toBe(403);
    expect((await app.root.post(`/org/${orgId}/certificate-authority/rotate`, { overlapSeconds: -1 })).status).toBe(
      400,
    );
  });
});

describe('a public key (docs/claims.md rule 37)', () => {
  it('belongs to one site of the installation, in any organization, for as long as that is there', async () => {
    const [here, there] = [await newOrg(), await newOrg()];
    const csr = await createCsr();
    const [hardware_id, claim_nonce] = [newHardwareId(), newNonce()];
    const first = await enrol(here.key, { csr, hardware_id, claim_nonce });
    const claim = (key: TestKey, more: object = {}) =>
      provision(app.root.url, { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId(), csr, ...more });
    for (const key of [here.key, there.key])
      expect(await claim(key)).toMatchObject({ status: 403, text: JSON.stringify({ error: 'permission_denied' }) });
    // The same site may have another certificate for it.
    expect((await claim(here.key, { hardware_id, claim_nonce })).status).toBe(201);
    const reasons = await until(async () => {
      const rows = await app.sql<{ reason: string }>(
        `SELECT reason FROM claim WHERE outcome = 'refused' AND org_id = ANY ($1)`,
        [[here.orgId, there.orgId]],
      );
      return rows.length === 2 && rows;
    });
    expect(reasons).toEqual([{ reason: 'public_key_taken' }, { reason: 'public_key_taken' }]);
    // Two at the same moment, at two servers.
    const another = await createCsr();
    const both = await Promise.all(
      [here.key, there.key].map((key, i) =>
        provision(i ? other.url : app.root.url, {
          provision_key: key.siteProvisioningKey,
          hardware_id: newHardwareId(),
          csr: another,
        }),
      ),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([201, 403]);
    await app.root.expect('DELETE', `/site/${first.siteId}`);
    expect((await claim(there.key)).status).toBe(201);
  });
});
