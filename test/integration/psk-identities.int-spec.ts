import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { KeyRing, randomLower } from '#platform';
import { CredentialSuccession } from '../../src/access/index.js';
import { PskIdentities } from '../../src/access/site-credentials/psk-identities.service.js';
import { type Provisioned, provision, TestOrg } from '../support/api.js';
import { selfSigned } from '../support/certificate.js';
import { freePort, until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-psk-'));
let app: TestApp;
let identities: PskIdentities;
let key: string;

beforeAll(async () => {
  // The server's certificate is its own.
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  const { cert, key: pem } = await selfSigned('0a');
  const [TLS_CERT_FILE, TLS_KEY_FILE] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  writeFileSync(TLS_CERT_FILE, cert);
  writeFileSync(TLS_KEY_FILE, pem);
  app = await openTestApp({ TLS_CERT_FILE, TLS_KEY_FILE, DEVICE_TLS_PORT: String(await freePort()) });
  identities = app.get(PskIdentities);
  const org = await TestOrg.create(app.root);
  key = (await org.keyUnder({ credentialType: 'psk' }, { approveNewSites: true })).siteProvisioningKey;
});
afterAll(async () => {
  await app?.close();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

interface Claimed extends Provisioned {
  siteId: number;
  orgId: string;
}

/** A device whose key is here. */
async function claim(): Promise<Claimed> {
  const { body } = await provision(app.root.url, { provision_key: key });
  await until(() => isHere(body));
  const [row] = await app.sql<{ siteId: number; orgId: string }>(
    'SELECT site_id::int AS "siteId", org_id AS "orgId" FROM site WHERE device_id = $1',
    [body.device_id],
  );
  return { ...body, ...row! };
}
const isHere = ({ psk_identity, psk }: Provisioned): boolean =>
  identities.keyOf(psk_identity!)?.toString('base64url') === psk;
const revoke = ({ siteId }: Claimed) =>
  app.sql('UPDATE site_credential SET revoked_at = now() WHERE site_id = $1', [siteId]);

/** Another key for the site, beside the present one. @returns its identity */
async function next({ siteId, orgId }: Claimed): Promise<string> {
  const identity = `next.${randomLower(8)}`;
  const [present] = await app.sql<{ credentialId: number }>(
    `SELECT credential_id AS "credentialId" FROM site_credential WHERE site_id = $1 AND stage = 'current'`,
    [siteId],
  );
  await app.db.tx((tx) =>
    app
      .get(CredentialSuccession)
      .addNext(
        tx,
        { siteId, orgId, credentialId: present!.credentialId },
        { kind: 'psk', pskIdentity: identity, pskEncrypted: sealed(identity) },
      ),
  );
  return identity;
}
const KEY = Buffer.alloc(32, 7);
const sealed = (identity: string) => app.get(KeyRing).encrypt(KEY, `psk:${identity}`);
const has = (identity: string) => identities.keyOf(identity)?.equals(KEY) ?? false;

describe('the keys that handshakes ask for', () => {
  it('are those of identities, and nobody’s for others: the same each time, another for each', () => {
    const [one, other] = [identities.keyOf('nobody.abcdefgh'), identities.keyOf('nobody.abcdefgi')];
    expect(one).toHaveLength(32);
    expect(identities.keyOf('nobody.abcdefgh')).toEqual(one);
    expect(other).not.toEqual(one);
    for (const impossible of ['', 'nobody', 'nobody.ABCDEFGH', 'no body.abcdefgh', `${'n'.repeat(201)}.abcdefgh`])
      expect(identities.keyOf(impossible)).toBeNull();
  });

  it('go when a notice tells of their site', async () => {
    const device = await claim();
    await revoke(device);
    expect(isHere(device)).toBe(true);
    await app.sql(`SELECT pg_notify('site_changed', $1)`, [String(device.siteId)]);
    await until(() => !isHere(device));
  });

  it('stay when they are superseded, so that their use is seen, and go with the grace of what has expired', async () => {
    const [superseded, expired, over] = [await claim(), await claim(), await claim()];
    const before = identities.size;
    const set = (device: Claimed, assignments: string) =>
      app.sql(`UPDATE site_credential SET ${assignments} WHERE site_id = $1`, [device.siteId]);
    await set(superseded, `stage = 'previous', ends_at = now() - interval '1 day'`);
    await set(expired, `expires_at = now() - interval '1 day', renew_until = now() + interval '1 day'`);
    await set(over, `expires_at = now() - interval '2 days', renew_until = now() - interval '1 day'`);
    for (const { siteId } of [superseded, expired, over])
      await app.sql(`SELECT pg_notify('site_changed', $1)`, [String(siteId)]);
    await until(() => !isHere(over) && identities.size === before - 1);
    expect([superseded, expired].map(isHere)).toEqual([true, true]);
  });

  it('go on every server when they were never used and another one is made', async () => {
    const device = await claim();
    const stale = await next(device);
    await until(() => has(stale));
    await app.sql(`UPDATE site_credential SET created_at = now() - interval '25 hours' WHERE psk_identity = $1`, [
      stale,
    ]);
    const later = await next(device);
    await until(() => has(later) && !has(stale));
  });

  it('are the newest of a site that has had very many, the present one among them, and others when they are named', async () => {
    const device = await claim();
    const before = identities.size;
    const names = Array.from({ length: 300 }, () => `then.${randomLower(8)}`);
    await app.sql(
      `INSERT INTO site_credential (site_id, org_id, kind, psk_identity, psk_encrypted, stage, ends_at)
       SELECT $1, $2, 'psk', i.name, i.sealed, 'previous', now() FROM unnest($3::text[], $4::bytea[]) AS i(name, sealed)`,
      [device.siteId, device.orgId, names, names.map(sealed)],
    );
    // The present one is newer than what it took the place of.
    await app.sql(
      `INSERT INTO site_credential (site_id, org_id, kind, psk_identity, psk_encrypted) SELECT site_id, org_id, kind, $2, $3 FROM site_credential
       WHERE site_id = $1 AND stage = 'current'`,
      [device.siteId, 'present.abcdefgh', sealed('present.abcdefgh')],
    );
    await app.sql(`SELECT pg_notify('site_changed', $1)`, [String(device.siteId)]);
    await until(() => has('present.abcdefgh'));
    expect(identities.size - before).toBeLessThan(60);
    expect(has(names.at(-1)!)).toBe(true);
    expect(has(names[0]!)).toBe(false);
    await until(() => has(names[0]!));
  });

  it('are read again when notices were lost, and looked up when somebody asks for one that is not here', async () => {
    const [gone, stays] = [await claim(), await claim()];
    await revoke(gone);
    await app.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gatehouse-notices' AND datname = current_database()`,
    );
    await until(() => !isHere(gone));
    expect(isHere(stays)).toBe(true);
    await app.sql('UPDATE site_credential SET revoked_at = NULL WHERE site_id = $1', [gone.siteId]);
    await until(() => isHere(gone));
  });
});
