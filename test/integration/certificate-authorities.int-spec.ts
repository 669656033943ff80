import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeviceAuthorities, orgUidOf } from '#platform';
import { AuthoritiesService } from '../../src/provisioning/authority/authorities.service.js';
import { Api, newHardwareId, newNonce, type Provisioned, provision, type TestKey } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createCsr } from '../support/certificate.js';
import { certificatesOf } from '../support/issued-certificates.js';
import { until } from '../support/server.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
let other: StartedApp;
let { newOrg, enrol, deviceOf, crlOf } = {} as ReturnType<typeof certificatesOf>;
beforeAll(async () => {
  app = await openTestApp({ PUBLIC_URL: 'https://gate.example' });
  other = await startApp(app.database.url);
  ({ newOrg, enrol, deviceOf, crlOf } = certificatesOf(app));
});
afterAll(async () => {
  await other?.close();
  await app?.close();
});

interface Authorities {
  authorities: { caId: string; state: string; certificate: string; trustedUntil: string | null; sites: number }[];
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
