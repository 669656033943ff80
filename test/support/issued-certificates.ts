import { X509Certificate } from 'node:crypto';
import { expect } from 'vitest';
import { newHardwareId, type Provisioned, provision, type TestKey } from './api.js';
import { createCsr } from './certificate.js';
import type { TestApp } from './test-app.js';

/** A device with the certificate that it was issued. */
export interface IssuedDevice {
  siteId: number;
  certificate: X509Certificate;
  chain: string;
  caId: string;
}

/** Organizations whose devices have certificates. */
export function certificatesOf(app: TestApp) {
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

  async function enrol(key: TestKey, more: object = {}): Promise<IssuedDevice> {
    const reply = await provision(app.root.url, {
      provision_key: key.siteProvisioningKey,
      hardware_id: newHardwareId(),
      csr: await createCsr(),
      ...more,
    });
    expect(reply.status).toBe(201);
    return deviceOf(reply.body);
  }

  async function deviceOf(body: Provisioned): Promise<IssuedDevice> {
    const certificate = new X509Certificate(body.certificate!);
    const [row] = await app.sql<{ siteId: number; caId: string }>(
      'SELECT site_id AS "siteId", ca_id AS "caId" FROM site_credential WHERE serial = $1',
      [certificate.serialNumber.toLowerCase()],
    );
    return { ...row!, certificate, chain: body.certificate_chain! };
  }

  const crlOf = async (caId: string, url = app.root.url, headers: Record<string, string> = {}) =>
    fetch(`${url}/api/v1/ca/${caId}/crl`, { headers });
  return { newOrg, enrol, deviceOf, crlOf };
}
