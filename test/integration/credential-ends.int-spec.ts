import 'reflect-metadata';
import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CredentialKind } from '#contracts';
import { type Authenticated, SiteCredentialsService } from '../../src/access/index.js';
import { provision, register, TestOrg } from '../support/api.js';
import { createCsr } from '../support/certificate.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
});
afterAll(() => app?.close());

describe('claims', () => {
  const KINDS = ['api_key', 'psk', 'certificate'] as const;

  it.each(KINDS)('of the kind %s say when it ends, where the template says so', async (credentialType) => {
    const key = await org.keyUnder({ credentialType, credentialTtlSeconds: 86_400, renewGraceSeconds: 0 });
    const before = Math.floor(Date.now() / 1000) * 1000;
    const { body } = await provision(app.root.url, {
      provision_key: key.siteProvisioningKey,
      ...(credentialType === 'certificate' ? { csr: await createCsr() } : {}),
    });
    const { expires_at } = body as unknown as { expires_at: string };
    expect(Date.parse(expires_at)).toBeGreaterThanOrEqual(before + 86_400_000);
    expect(Date.parse(expires_at)).toBeLessThanOrEqual(Date.now() + 86_400_000);
    const [row] = await app.sql<{ expires: Date; until: Date }>(
      'SELECT c.expires_at AS expires, c.renew_until AS until FROM site_credential c JOIN site USING (site_id) WHERE device_id = $1',
      [body.device_id],
    );
    expect(row).toEqual({ expires: new Date(expires_at), until: new Date(expires_at) });
    if (credentialType === 'certificate')
      expect(new Date(new X509Certificate(body.certificate!).validTo)).toEqual(new Date(expires_at));
  });

  it('without a word of the template give certificates 90 days, and others no end', async () => {
    const certificate = await provision(app.root.url, {
      provision_key: (await org.keyUnder({ credentialType: 'certificate' })).siteProvisioningKey,
      csr: await createCsr(),
    });
    const days =
      (Date.parse((certificate.body as unknown as { expires_at: string }).expires_at) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(89.9);
    expect(days).toBeLessThanOrEqual(90);
    const found: Authenticated = await app
      .get(SiteCredentialsService)
      .authenticateCertificate(
        createHash('sha256').update(new X509Certificate(certificate.body.certificate!).raw).digest(),
        () => true,
      );
    expect(found).toMatchObject({ deviceId: certificate.body.device_id, kind: 'certificate' satisfies CredentialKind });
    const psk = await provision(app.root.url, {
      provision_key: (await org.keyUnder({ credentialType: 'psk' })).siteProvisioningKey,
    });
    expect(psk.body).not.toHaveProperty('expires_at');
    expect(await app.get(SiteCredentialsService).authenticatePsk(psk.body.psk_identity!)).toMatchObject({
      deviceId: psk.body.device_id,
    });
  });

  it('of newts say it too', async () => {
    const key = (await org.keyUnder({ credentialTtlSeconds: 3_600 })).siteProvisioningKey;
    const { body } = await register(app.root.url, { provisioningKey: key });
    expect(Date.parse((body.data as unknown as { expiresAt: string }).expiresAt)).toBeGreaterThan(
      Date.now() + 3_590_000,
    );
    const plain = await register(app.root.url, { provisioningKey: (await org.keyUnder({})).siteProvisioningKey });
    expect(plain.body.data).not.toHaveProperty('expiresAt');
  });

  it.each([
    { credentialTtlSeconds: 3_599 },
    { credentialTtlSeconds: 315_360_001 },
    { renewGraceSeconds: -1 },
    { renewGraceSeconds: 31_536_001 },
    { renewGraceSeconds: null },
    { onReuse: 'delete' },
  ])('under a template with %j are none: it is refused by the name of the field', async (field) => {
    const { status, text } = await app.root.put(org.path('provisioning-template'), { name: 'x', ...field });
    expect(status).toBe(400);
    expect(text).toContain(Object.keys(field)[0]);
  });

  it('a template shows and changes what it says', async () => {
    const { templateId } = await org.template({});
    const path = org.path(`provisioning-template/${templateId}`);
    expect(await app.root.expect('GET', path)).toMatchObject({
      credentialTtlSeconds: null,
      renewGraceSeconds: 2_592_000,
      onReuse: 'alert',
    });
    const change = { credentialTtlSeconds: 7_200, renewGraceSeconds: 0, onReuse: 'suspend' };
    expect(await app.root.expect('POST', path, change)).toMatchObject(change);
    const limited = await app.orgKey(org.orgId, 'updateProvisioningTemplate', 'getProvisioningTemplate');
    expect(await limited.expect('POST', path, { credentialTtlSeconds: null })).toMatchObject({
      credentialTtlSeconds: null,
    });
  });
});

it('a next credential that expired unused long ago renews, and again when that answer is lost', async () => {
  const { body } = await provision(app.root.url, { provision_key: (await org.keyUnder({})).siteProvisioningKey });
  const renew = async (key: string) => {
    const { status, body: answer } = await app.root.as(key).post('/device/credential/renew', {});
    return { status, key: (answer as { api_key?: string }).api_key! };
  };
  const next = await renew(body.api_key!);
  await app.sql(
    `UPDATE site_credential SET created_at = now() - interval '9 days', expires_at = now() - interval '1 second',
       renew_until = now() + interval '1 day'
     WHERE stage = 'next' AND site_id = (SELECT site_id FROM site WHERE device_id = $1)`,
    [body.device_id],
  );
  expect((await app.root.as(next.key).get('/device/self')).body).toMatchObject({ data: { renewable: true } });
  const answers = [await renew(next.key), await renew(next.key)];
  expect(answers.map(({ status }) => status)).toEqual([201, 201]);
  expect((await app.root.as(answers[1]!.key).get('/device/self')).status).toBe(200);
});
