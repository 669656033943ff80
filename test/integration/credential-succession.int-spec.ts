import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CredentialKind } from '#contracts';
import { AppError, KeyRing, PgNotifications, randomLower, sha256 } from '#platform';
import {
  type Authenticated,
  CredentialSuccession,
  type NewSiteCredential,
  SiteCredentialsService,
} from '../../src/access/index.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/server.js';

let database: TestDatabase;
let servers: StartedApp[];

beforeAll(async () => {
  database = await createTestDatabase();
  servers = [await startApp(database.url), await startApp(database.url)];
  await servers[0]!.root.expect('PUT', '/org', { orgId: 'acme', name: 'Acme' });
});
afterAll(async () => {
  await Promise.all((servers ?? []).map((server) => server.close()));
  await database?.drop();
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
const service = (n: number) => servers[n]!.app.get(SiteCredentialsService);
const succession = (n: number) => servers[n]!.app.get(CredentialSuccession);
const tx = <T>(work: Parameters<(typeof servers)[0]['db']['tx']>[0]) => servers[0]!.db.tx(work) as Promise<T>;

async function makeSite(templateId: number | null = null): Promise<number> {
  const [row] = await sql<{ id: string }>(
    `INSERT INTO site (org_id, nice_id, name, status, hardware_id, template_id) VALUES ('acme', $1, 's', 'approved', $1, $2) RETURNING site_id AS id`,
    [randomLower(12), templateId],
  );
  return Number(row!.id);
}

interface Credential {
  id: number;
  kind: CredentialKind;
  siteId: number;
  use(server: number): Promise<Authenticated>;
}

const sealed = (identity: string) => servers[0]!.app.get(KeyRing).encrypt(randomBytes(32), `psk:${identity}`);

type Stored = Omit<NewSiteCredential, 'siteId' | 'orgId'>;

/** A credential of each kind, as what proves it would be found. */
const MAKE: Record<CredentialKind, () => { stored: Stored; use(server: number): Promise<Authenticated> }> = {
  newt: () => {
    const [newtId, secret] = [randomLower(15), randomLower(48)];
    return {
      stored: { kind: 'newt', newtId, secretHash: sha256(secret) },
      use: (n) => service(n).authenticateNewt(newtId, secret),
    };
  },
  api_key: () => {
    const key = `sk_live_${randomBytes(32).toString('base64url')}`;
    return {
      stored: { kind: 'api_key', secretHash: sha256(key) },
      use: (n) => service(n).authenticateDeviceKey(key),
    };
  },
  psk: () => {
    const pskIdentity = randomLower(20);
    return {
      stored: { kind: 'psk', pskIdentity, pskEncrypted: sealed(pskIdentity) },
      use: (n) => service(n).authenticatePsk(pskIdentity),
    };
  },
  certificate: () => {
    const certificateHash = randomBytes(32);
    const soon = new Date(Date.now() + 3_600_000);
    return {
      stored: { kind: 'certificate', certificate: 'PEM', certificateHash, expiresAt: soon, renewUntil: soon },
      use: (n) => service(n).authenticateCertificate(certificateHash, () => true),
    };
  },
};
const KINDS = Object.keys(MAKE) as CredentialKind[];

/** A site with one credential, which was used. */
async function enrol(kind: CredentialKind, more: Partial<Stored> = {}, templateId: number | null = null) {
  const siteId = await makeSite(templateId);
  const { stored, use } = MAKE[kind]();
  const [id] = await tx<number[]>((em) => service(0).insertMany(em, [{ ...stored, ...more, siteId, orgId: 'acme' }]));
  const credential: Credential = { id: id!, kind, siteId, use };
  if (!more.expiresAt) expect(await use(0)).toMatchObject({ siteId });
  return credential;
}

async function next(of: Credential, more: Partial<Stored> = {}): Promise<Credential> {
  const { stored, use } = MAKE[of.kind]();
  const id = await tx<number>((em) =>
    succession(0).addNext(em, { siteId: of.siteId, orgId: 'acme', credentialId: of.id }, { ...stored, ...more }),
  );
  return { id, kind: of.kind, siteId: of.siteId, use };
}

const what = (found: Authenticated) => (found === null ? 'nothing' : 'unusable' in found ? found.unusable : 'usable');
const everywhere = async (credential: Credential) =>
  (await Promise.all([0, 1].map((n) => credential.use(n)))).map(what).join();
const becomes = (credential: Credential, expected: string) =>
  until(async () => (await everywhere(credential)) === `${expected},${expected}`);
const stages = async (siteId: number) =>
  Object.fromEntries(
    (
      await sql<{ id: string; stage: string }>(
        `SELECT credential_id AS id, CASE WHEN revoked_at IS NULL THEN stage ELSE 'revoked' END AS stage FROM site_credential WHERE site_id = $1`,
        [siteId],
      )
    ).map(({ id, stage }) => [id, stage]),
  );
const rotations = async (siteId: number) =>
  (await sql('SELECT 1 FROM credential_rotation WHERE site_id = $1', [siteId])).length;
const eventsOf = async (siteId: number, type: string) =>
  (
    await sql<{ data: Record<string, unknown> }>('SELECT data FROM event WHERE site_id = $1 AND type = $2 ORDER BY 1', [
      siteId,
      type,
    ])
  ).map(({ data }) => data);

/** Moves the ends of a credential into the past or future, as time would, and tells the servers. */
async function move(credential: Credential, set: string): Promise<void> {
  await sql(`UPDATE site_credential SET ${set} WHERE credential_id = $1`, [credential.id]);
  await sql(`SELECT pg_notify('site_changed', $1::text)`, [credential.siteId]);
}
const EXPIRED = `expires_at = now() - interval '1 second', renew_until = now() + interval '1 day'`;
const OVER = `expires_at = now() - interval '1 day', renew_until = now() - interval '1 second'`;
const OVERLAP_OVER = `ends_at = now() - interval '1 second'`;

describe.each(KINDS)('a credential of the kind %s', (kind) => {
  it('is used, superseded by the first use of the next one, good for the overlap, and then nothing', async () => {
    const first = await enrol(kind);
    await tx((em) => succession(0).requestRotations(em, 'acme', [first.siteId], 600, null));
    const second = await next(first);
    expect(await stages(first.siteId)).toEqual({ [first.id]: 'current', [second.id]: 'next' });
    expect(await everywhere(first)).toBe('usable,usable');
    expect(what(await second.use(1))).toBe('usable');
    expect(await stages(first.siteId)).toEqual({ [first.id]: 'previous', [second.id]: 'current' });
    expect(await rotations(first.siteId)).toBe(0);
    const [row] = await sql<{ overlap: number }>(
      'SELECT extract(epoch FROM ends_at - now())::float8 AS overlap FROM site_credential WHERE credential_id = $1',
      [first.id],
    );
    expect(row!.overlap).toBeGreaterThan(500);
    expect(row!.overlap).toBeLessThanOrEqual(600);
    expect(await everywhere(first)).toBe('usable,usable');
    expect(await eventsOf(first.siteId, 'site.credential_rotated')).toMatchObject([{ credentialId: second.id, kind }]);
    await move(first, OVERLAP_OVER);
    await becomes(first, 'superseded');
    expect(await everywhere(second)).toBe('usable,usable');
  });

  it('that has expired may renew, and nothing else, until its grace is over', async () => {
    const first = await enrol(kind);
    await move(first, EXPIRED);
    await becomes(first, 'expired');
    const second = await next(first);
    expect(await everywhere(second)).toBe('usable,usable');
    expect(await stages(first.siteId)).toEqual({ [first.id]: 'previous', [second.id]: 'current' });
    await move(second, OVER);
    await becomes(second, 'nothing');
    await expect(next(second)).rejects.toMatchObject({ code: 'credential_unusable' });
  });

  it('is nothing once its site is revoked, in each of its stages', async () => {
    const first = await enrol(kind);
    const second = await next(first);
    expect(what(await second.use(0))).toBe('usable');
    const third = await next(second);
    await tx((em) => succession(0).requestRotations(em, 'acme', [first.siteId], 600, null));
    await tx((em) => service(0).revokeOfSite(em, 'acme', first.siteId));
    for (const credential of [first, second, third]) await becomes(credential, 'nothing');
    expect(await rotations(first.siteId)).toBe(0);
    await expect(next(second)).rejects.toMatchObject({ code: 'credential_unusable' });
  });
});

describe('a next pre-shared key', () => {
  it('is told to every server, whose handshakes ask for it', async () => {
    const first = await enrol('psk');
    const heard: string[] = [];
    servers[1]!.app.get(PgNotifications).on('access_changed', (payload) => heard.push(payload));
    const second = await next(first);
    const [row] = await sql<{ identity: string }>(
      'SELECT psk_identity AS identity FROM site_credential WHERE credential_id = $1',
      [second.id],
    );
    await until(() => heard.includes(`psk:${row!.identity}`));
  });
});

describe('the row that a server remembers', () => {
  it('is judged anew at each use', async () => {
    const first = await enrol('api_key');
    await move(first, `expires_at = now() + interval '1 second', renew_until = now() + interval '2 seconds'`);
    await until(async () => (await everywhere(first)) === 'expired,expired');
    await until(async () => (await everywhere(first)) === 'nothing,nothing');
  });
});

describe('the first use of a next credential', () => {
  it('happens once, however many come at once at two servers, and the other next ones go', async () => {
    for (let round = 0; round < 10; round++) {
      const first = await enrol('api_key');
      const nexts = [await next(first), await next(first), await next(first)];
      const found = await Promise.all(
        [...nexts, ...nexts, first].map(async (credential, i) => ({ credential, found: await credential.use(i % 2) })),
      );
      const winners = new Set(
        found.filter(({ found: f, credential }) => f && credential !== first).map(({ credential }) => credential.id),
      );
      expect(winners.size).toBe(1);
      expect(what(found.at(-1)!.found)).toBe('usable');
      const [winner] = winners;
      expect(await stages(first.siteId)).toEqual(
        Object.fromEntries([
          [first.id, 'previous'],
          ...nexts.map(({ id }) => [id, id === winner ? 'current' : 'revoked']),
        ]),
      );
      expect(await eventsOf(first.siteId, 'site.credential_rotated')).toHaveLength(1);
    }
  });

  it('is none when the site is revoked at the same moment: either first, and nothing is left', async () => {
    for (let round = 0; round < 10; round++) {
      const first = await enrol('api_key');
      const second = await next(first);
      await Promise.all([second.use(round % 2), servers[0]!.root.expect('POST', `/site/${first.siteId}/revoke`, {})]);
      await becomes(second, 'nothing');
      expect(Object.values(await stages(first.siteId))).toEqual(['revoked', 'revoked']);
    }
  });

  it('is none when the site is deleted at the same moment', async () => {
    for (let round = 0; round < 5; round++) {
      const first = await enrol('api_key');
      const second = await next(first);
      await Promise.all([second.use(1), servers[0]!.root.expect('DELETE', `/site/${first.siteId}`)]);
      await becomes(second, 'nothing');
    }
  });

  it('does not do a rotation that was asked for after it was made, and keeps to its overlap', async () => {
    const first = await enrol('api_key');
    const second = await next(first);
    await tx((em) => succession(0).requestRotations(em, 'acme', [first.siteId], 0, null));
    expect(what(await second.use(0))).toBe('usable');
    await becomes(first, 'superseded');
    expect(await rotations(first.siteId)).toBe(1);
    const third = await next(second);
    expect(what(await third.use(0))).toBe('usable');
    expect(await rotations(first.siteId)).toBe(0);
    await becomes(second, 'superseded');
  });

  it.each([
    ['used', `'previous', now(), NULL`],
    ['not used, and gone with the use of another one', `'next', NULL, now()`],
  ])('is one of a hundred a day at most, those counted that were %s', async (_, become) => {
    const first = await enrol('api_key');
    await sql(
      `INSERT INTO site_credential (site_id, org_id, kind, secret_hash, overlap_seconds, created_at, stage, ends_at, revoked_at)
       SELECT $1, 'acme', 'api_key', sha256(convert_to($2 || n, 'UTF8')), 0, now() - interval '20 hours', ${become} FROM generate_series(1, 100) n`,
      [first.siteId, `day ${first.siteId} `],
    );
    const refused = await next(first).catch((error: AppError) => error);
    expect(refused).toMatchObject({ code: 'rate_limited', message: expect.stringContaining('100') });
    const { retryAfter } = (refused as AppError).details;
    expect(retryAfter).toBeGreaterThan(3 * 3_600);
    expect(retryAfter).toBeLessThanOrEqual(4 * 3_600);
    await sql(`UPDATE site_credential SET created_at = now() - interval '25 hours' WHERE site_id = $1`, [first.siteId]);
    expect(what(await (await next(first)).use(0))).toBe('usable');
  });

  it('ends all that went before with the shortest overlap: a leaked one does not outlive an emergency', async () => {
    const first = await enrol('api_key');
    await tx((em) => succession(0).requestRotations(em, 'acme', [first.siteId], 2_592_000, null));
    const second = await next(first);
    expect(what(await second.use(0))).toBe('usable');
    expect(await everywhere(first)).toBe('usable,usable');
    await tx((em) => succession(0).requestRotations(em, 'acme', [first.siteId], 0, null));
    const third = await next(second);
    expect(what(await third.use(0))).toBe('usable');
    await becomes(first, 'superseded');
    await becomes(second, 'superseded');
  });

  it('costs nothing where an answer was lost: twenty stand, a day old ones go', async () => {
    const first = await enrol('api_key');
    const nexts: Credential[] = [];
    // One that waits no more says nothing of those that do.
    const gone = await next(first);
    await move(gone, `created_at = now() - interval '23 hours', revoked_at = now()`);
    for (let i = 0; i < 20; i++) nexts.push(await next(first));
    const refused = await next(first).catch((error: AppError) => error);
    expect(refused).toMatchObject({ code: 'rate_limited' });
    expect((refused as AppError).details.retryAfter).toBeGreaterThan(86_000);
    await move(nexts[0]!, `created_at = now() - interval '25 hours'`);
    const last = await next(first);
    await becomes(nexts[0]!, 'nothing');
    expect(what(await last.use(1))).toBe('usable');
    await becomes(nexts[7]!, 'nothing');
  });
});
