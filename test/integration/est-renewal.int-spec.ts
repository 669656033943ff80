import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Principal } from '#platform';
import { parseCsr } from '../../src/provisioning/authority/csr.js';
import { EstService } from '../../src/provisioning/est/est.service.js';
import { newHardwareId, provision, type TestKey } from '../support/api.js';
import { EstDevice, estOf } from '../support/est.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let { enrol, certificateIn, newOrg, newKey } = {} as ReturnType<typeof estOf>;
beforeAll(async () => {
  app = await openTestApp({ TRUST_PROXY: 'loopback' });
  ({ enrol, certificateIn, newOrg, newKey } = estOf(app));
});
afterAll(() => app?.close());

describe('renewal by EST (docs/credentials.md §6)', () => {
  interface Enrolled {
    device: EstDevice;
    deviceId: string;
    caller: Principal;
  }
  async function enrolled(key: TestKey): Promise<Enrolled> {
    const device = await EstDevice.make(newHardwareId());
    const { serialNumber } = certificateIn(await enrol(device, key));
    return { device, ...(await callerOf(`serial = $1`, serialNumber.toLowerCase())) };
  }
  /** As who presents that credential. */
  async function callerOf(where: string, value: string): Promise<{ deviceId: string; caller: Principal }> {
    const [row] = await app.sql<{ siteId: number; orgId: string; credentialId: number; deviceId: string }>(
      `SELECT c.site_id AS "siteId", c.org_id AS "orgId", credential_id AS "credentialId", device_id AS "deviceId"
       FROM site_credential c JOIN site USING (site_id) WHERE ${where}`,
      [value],
    );
    const { deviceId, ...site } = row!;
    const caller: Principal = {
      authority: { kind: 'site', orgId: site.orgId },
      kind: 'site',
      id: String(site.siteId),
      name: deviceId,
      address: '192.0.2.1',
      site,
    };
    return { deviceId, caller };
  }
  const reenrol = async (caller: Principal, caId: string | null, csr: string) =>
    app.get(EstService).reenrol(caller, caId, await parseCsr(Buffer.from(csr, 'base64')));
  const sans = () => [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'admin.example' }])];

  it('stores the next certificate beside the present one, for the same key or a new one', async () => {
    const { key, caId, orgId } = await newOrg();
    const { device, deviceId, caller } = await enrolled(key);
    const other = await EstDevice.make(device.hardwareId);
    for (const [with_, label] of [
      [device, null],
      [other, caId],
    ] as const) {
      const certificate = new X509Certificate(await reenrol(caller, label, await with_.csr(`CN=${deviceId}`)));
      expect(certificate.subject).toBe(`CN=${deviceId}`);
      expect(await with_.owns(certificate)).toBe(true);
    }
    const stages = await app.sql<{ stage: string }>(
      'SELECT stage FROM site_credential WHERE site_id = $1 AND revoked_at IS NULL ORDER BY credential_id',
      [caller.site!.siteId],
    );
    expect(stages.map(({ stage }) => stage)).toEqual(['current', 'next', 'next']);
    const audit = await app.sql(`SELECT FROM audit WHERE org_id = $1 AND action = 'site.renew_credential'`, [orgId]);
    expect(audit).toHaveLength(2);
  });

  it('refuses other names, the authority and the public key of others, other credentials, and who is to answer a challenge', async () => {
    const { orgId, key } = await newOrg();
    const another = await newOrg();
    const { device, deviceId, caller } = await enrolled(key);
    const neighbour = await enrolled(another.key);
    const code = (attempt: Promise<string>) =>
      attempt.then(
        () => 'issued',
        (error: { code: string }) => error.code,
      );
    const right = `CN=${deviceId}`;
    const csr = await device.csr(right);
    const apiKeys = await newKey(orgId, { credentialType: 'api_key' });
    const { body } = await provision(app.root.url, {
      provision_key: apiKeys.siteProvisioningKey,
      hardware_id: newHardwareId(),
    });
    const byKey = await callerOf('device_id = $1', body.device_id);
    expect(await code(reenrol(caller, null, await device.csr(`CN=${neighbour.deviceId}`)))).toBe('validation');
    expect(await code(reenrol(caller, null, await device.csr(`${right}, O=x`)))).toBe('validation');
    expect(await code(reenrol(caller, null, await device.csr(right, sans())))).toBe('validation');
    expect(await code(reenrol(caller, another.caId, csr))).toBe('not_found');
    expect(await code(reenrol(caller, null, await neighbour.device.csr(right)))).toBe('permission_denied');
    expect(await code(reenrol(byKey.caller, null, await device.csr(`CN=${byKey.deviceId}`)))).toBe('permission_denied');
    await app.sql(`INSERT INTO site_bundle (site_id, org_id, bundle_key, bundle_jkt) VALUES ($1, $2, '{}', 'x')`, [
      caller.site!.siteId,
      orgId,
    ]);
    expect(await code(reenrol(caller, null, csr))).toBe('challenge_required');
    expect(await app.sql(`SELECT FROM site_credential WHERE org_id = $1 AND stage = 'next'`, [orgId])).toEqual([]);
  });
});
