import { randomBytes } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyRing, randomLower, sha256 } from '#platform';
import { type NewSiteCredential, SiteCredentialsService, type SiteIdentity } from '../../src/access/index.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/server.js';

let database: TestDatabase;
let one: StartedApp;
let two: StartedApp;
let here: SiteCredentialsService;
let there: SiteCredentialsService;

beforeAll(async () => {
  database = await createTestDatabase();
  [one, two] = [await startApp(database.url), await startApp(database.url)];
  [here, there] = [one.app.get(SiteCredentialsService), two.app.get(SiteCredentialsService)];
  await one.root.expect('PUT', '/org', { orgId: 'acme', name: 'Acme' });
});
afterAll(async () => {
  await Promise.all([one?.close(), two?.close()]);
  await database?.drop();
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);

async function makeSite(nonce: boolean): Promise<number> {
  const [row] = await sql<{ id: string }>(
    `WITH made AS (INSERT INTO site (org_id, nice_id, name, status, hardware_id) VALUES ('acme', $1, 's', 'approved', $1) RETURNING site_id),
       opened AS (INSERT INTO claim_window (site_id, org_id, nonce_hash, opened_at) SELECT site_id, 'acme', $2, now() FROM made)
     SELECT site_id AS id FROM made`,
    [randomLower(12), nonce ? randomBytes(32) : null],
  );
  return Number(row!.id);
}

interface Credential {
  credentialId: number;
  newtId: string;
  secret: string;
}

function fresh(siteId: number): { row: NewSiteCredential; newtId: string; secret: string } {
  const [newtId, secret] = [randomLower(15), randomLower(48)];
  return { row: { siteId, orgId: 'acme', kind: 'newt', newtId, secretHash: sha256(secret) }, newtId, secret };
}

async function addCredential(siteId: number): Promise<Credential> {
  const { row, newtId, secret } = fresh(siteId);
  const [credentialId] = await one.db.tx((tx) => here.insertMany(tx, [row]));
  return { credentialId: credentialId!, newtId, secret };
}

async function use(
  service: SiteCredentialsService,
  { newtId, secret }: { newtId: string; secret: string },
): Promise<SiteIdentity | null> {
  const found = await service.authenticateNewt(newtId, secret);
  return found && !('unusable' in found) ? found : null;
}
const usable = async (siteId: number) =>
  (
    await sql<{ id: string }>(
      'SELECT credential_id AS id FROM site_credential WHERE site_id = $1 AND revoked_at IS NULL',
      [siteId],
    )
  ).map((row) => Number(row.id));
const windowOf = async (siteId: number) =>
  (
    await sql<{ closed: boolean; used: boolean }>(
      'SELECT closed_at IS NOT NULL AS closed, authenticated_at IS NOT NULL AS used FROM claim_window WHERE site_id = $1',
      [siteId],
    )
  )[0]!;

describe('site credentials', () => {
  it('name the site, by newt id and by device key', async () => {
    const siteId = await makeSite(false);
    const newt = await addCredential(siteId);
    expect(await use(here, newt)).toMatchObject({
      siteId,
      orgId: 'acme',
      credentialId: newt.credentialId,
      kind: 'newt',
    });
    const key = `sk_live_${randomBytes(32).toString('base64url')}`;
    await one.db.tx((tx) => here.insertMany(tx, [{ siteId, orgId: 'acme', kind: 'api_key', secretHash: sha256(key) }]));
    expect(await here.authenticateDeviceKey(key)).toMatchObject({ siteId, kind: 'api_key' });
    expect(await here.authenticateDeviceKey(`${key}x`)).toBeNull();
    expect(await use(here, { ...newt, secret: 'wrong' })).toBeNull();
    expect(await use(here, { newtId: 'a\0b', secret: 'x' })).toBeNull();
    expect(await windowOf(siteId)).toEqual({ closed: false, used: true });
  });

  it('are inserted in order, whatever their kind, in one statement', async () => {
    const sites = [await makeSite(false), await makeSite(false), await makeSite(false)];
    const sealed = one.app.get(KeyRing).encrypt(Buffer.from([0, 92, 255]), 'psk');
    const rows: NewSiteCredential[] = [
      fresh(sites[2]!).row,
      {
        siteId: sites[0]!,
        orgId: 'acme',
        kind: 'psk',
        pskIdentity: randomLower(20),
        pskEncrypted: sealed,
      },
      { siteId: sites[1]!, orgId: 'acme', kind: 'certificate', certificate: 'PEM "quoted", \\ and\nlines' },
    ];
    const ids = await one.db.tx((tx) => here.insertMany(tx, rows));
    const stored = await sql(
      'SELECT credential_id::int AS id, site_id::int AS "siteId", kind, psk_encrypted AS psk, certificate FROM site_credential WHERE credential_id = ANY ($1) ORDER BY credential_id',
      [ids],
    );
    expect(stored).toEqual([
      { id: ids[0], siteId: sites[2], kind: 'newt', psk: null, certificate: null },
      { id: ids[1], siteId: sites[0], kind: 'psk', psk: sealed, certificate: null },
      { id: ids[2], siteId: sites[1], kind: 'certificate', psk: null, certificate: 'PEM "quoted", \\ and\nlines' },
    ]);
  });

  it('end on every server process when they are revoked, and with them the window', async () => {
    const siteId = await makeSite(false);
    const all = [await addCredential(siteId), await addCredential(siteId)];
    for (const credential of all) expect(await use(there, credential)).not.toBeNull();
    await one.db.tx((tx) => here.revokeOfSite(tx, 'other', siteId));
    expect(await usable(siteId)).toHaveLength(2);
    expect(await windowOf(siteId)).toEqual({ closed: false, used: true });
    await one.db.tx((tx) => here.revokeOfSite(tx, 'acme', siteId));
    for (const credential of all) await until(async () => (await use(there, credential)) === null);
    expect(await windowOf(siteId)).toEqual({ closed: true, used: true });
  });

  it('are worth nothing on a revoked site', async () => {
    const siteId = await makeSite(true);
    const credential = await addCredential(siteId);
    await sql('UPDATE site SET revoked_at = now() WHERE site_id = $1', [siteId]);
    expect(await use(here, credential)).toBeNull();
    expect(await windowOf(siteId)).toEqual({ closed: false, used: false });
  });

  it('that were tried too early are found once they are announced', async () => {
    const siteId = await makeSite(false);
    const { row, newtId, secret } = fresh(siteId);
    expect(await there.authenticateNewt(newtId, secret)).toBeNull();
    await one.db.tx(async (tx) => {
      await here.insertMany(tx, [row]);
      await here.announce(tx, newtId);
    });
    await until(() => there.authenticateNewt(newtId, secret));
  });
});

describe('the first authenticated use (docs/claims.md rule 5)', () => {
  it('revokes the others of the nonce and closes the window', async () => {
    const siteId = await makeSite(true);
    const all = [await addCredential(siteId), await addCredential(siteId), await addCredential(siteId)];
    expect(await use(here, all[1]!)).toMatchObject({ credentialId: all[1]!.credentialId });
    expect(await usable(siteId)).toEqual([all[1]!.credentialId]);
    expect(await windowOf(siteId)).toEqual({ closed: true, used: true });
    expect(await use(there, all[0]!)).toBeNull();
    expect(await use(there, all[2]!)).toBeNull();
    expect(await use(there, all[1]!)).not.toBeNull();
  });

  it('of a site without a nonce revokes nothing', async () => {
    const siteId = await makeSite(false);
    const all = [await addCredential(siteId), await addCredential(siteId)];
    expect(await use(here, all[0]!)).not.toBeNull();
    expect(await use(there, all[1]!)).not.toBeNull();
    expect(await usable(siteId)).toHaveLength(2);
  });

  it('with a wrong secret closes nothing', async () => {
    const siteId = await makeSite(true);
    const credential = await addCredential(siteId);
    expect(await use(here, { ...credential, secret: 'wrong' })).toBeNull();
    expect(await windowOf(siteId)).toEqual({ closed: false, used: false });
  });

  it('has exactly one winner when many come at once, over two servers', async () => {
    for (let round = 0; round < 20; round++) {
      const siteId = await makeSite(true);
      const all = await Promise.all(Array.from({ length: 6 }, () => addCredential(siteId)));
      const results = await Promise.all(all.map((credential, i) => use(i % 2 ? here : there, credential)));
      const winners = results.filter((result) => result !== null).map((result) => result.credentialId);
      expect(winners).toHaveLength(1);
      expect(await usable(siteId)).toEqual(winners);
    }
  });

  it('lets the same credential in as often as it comes at once', async () => {
    const siteId = await makeSite(true);
    const credential = await addCredential(siteId);
    const results = await Promise.all(Array.from({ length: 6 }, (_, i) => use(i % 2 ? here : there, credential)));
    expect(results.every((result) => result?.credentialId === credential.credentialId)).toBe(true);
  });

  /** Starts `act` while the window is held and something about it is changed; the change commits once `act` waits. */
  async function whileHeld<T>(siteId: number, change: (tx: EntityManager) => Promise<unknown>, act: () => Promise<T>) {
    let result: Promise<T> | undefined;
    await one.db.tx(async (tx) => {
      await here.lockWindow(tx, siteId);
      await change(tx);
      result = act();
      await until(
        async () =>
          (await sql(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`))
            .length > 0,
      );
    });
    return result!;
  }

  it('revokes a credential that a re-issue commits while it waits for the window', async () => {
    const siteId = await makeSite(true);
    const first = await addCredential(siteId);
    const reissued = fresh(siteId);
    const result = whileHeld(
      siteId,
      (tx) => here.insertMany(tx, [reissued.row]),
      () => use(there, first),
    );
    expect(await result).toMatchObject({ credentialId: first.credentialId });
    expect(await usable(siteId)).toEqual([first.credentialId]);
    expect(await use(here, reissued)).toBeNull();
  });

  it('is none with a credential that a new owner of the site replaces while it waits', async () => {
    const siteId = await makeSite(true);
    const former = await addCredential(siteId);
    const owner = fresh(siteId);
    const result = whileHeld(
      siteId,
      async (tx) => {
        await here.revokeOfSite(tx, 'acme', siteId);
        await here.reopenWindow(tx, siteId, randomBytes(32));
        await here.insertMany(tx, [owner.row]);
      },
      () => use(there, former),
    );
    expect(await result).toBeNull();
    expect(await usable(siteId)).toHaveLength(1);
    expect(await windowOf(siteId)).toEqual({ closed: false, used: false });
    expect(await use(here, owner)).not.toBeNull();
  });
});
