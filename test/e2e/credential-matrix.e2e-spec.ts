import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentCredential, RenewedCredential } from '#contracts';
import { DOORS, type Door, DoorCredential, type Outcome, PROXY_SECRET } from '../support/credential-doors.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { ask, startTlsServer, type TlsServer } from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { startServer, type TestServer, until } from '../support/server.js';
import type { TestSession } from '../support/session.js';

// Every kind of credential, at each place that takes it, from its claim to its end, over real connections: what is done at one server process is seen
// at the other one (docs/credentials.md). Time is moved in the rows.

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-matrix-'));
let database: TestDatabase;
/** For operators. */
let plain: TestServer;
/** Where devices act, and where that is seen. The main port asks everybody for a certificate. */
let [one, other]: TlsServer[] = [];
let fleet: TestFleet;
const keys = new Map<string, string>();

beforeAll(async () => {
  database = await createTestDatabase();
  const secretFile = join(folder, 'secret');
  writeFileSync(secretFile, PROXY_SECRET);
  const env = {
    REFUSALS_PER_MINUTE: '1000000',
    MTLS_ON_MAIN_PORT: 'true',
    CLIENT_CERT_FROM: '127.0.0.1',
    CLIENT_CERT_SECRET_FILE: secretFile,
  };
  plain = await startServer({ databaseUrl: database.url });
  [one, other] = await Promise.all([0, 1].map(() => startTlsServer({ databaseUrl: database.url, env })));
  fleet = await TestFleet.create(plain);
  for (const credentialType of ['api_key', 'psk', 'certificate'])
    keys.set(credentialType, (await fleet.org.keyUnder({ credentialType })).siteProvisioningKey);
});
afterAll(async () => {
  await Promise.all([one?.stop(), other?.stop()]);
  await plain?.stop();
  await database?.drop();
  rmSync(folder, { recursive: true });
});

/** A new site by this door, at the first server. */
async function claim(door: Door): Promise<{ first: DoorCredential; siteId: number }> {
  const provisioningKey = keys.get(door.kind) ?? keys.get('api_key')!;
  const first = await DoorCredential.claim(door, one!, provisioningKey, async (newtId) => {
    const [row] = await fleet.sql<{ id: string }>(
      'SELECT device_id AS id FROM site JOIN site_credential USING (site_id) WHERE newt_id = $1',
      [newtId],
    );
    return row!.id;
  });
  const [row] = await fleet.sql<{ id: number }>('SELECT site_id::int AS id FROM site WHERE device_id = $1', [
    first.deviceId,
  ]);
  return { first, siteId: row!.id };
}

/** The same, and the other server lets it in: of a pre-shared key it hears a moment later. */
async function claimed(door: Door) {
  const { first, siteId } = await claim(door);
  await sees(first, 'in');
  return { first, siteId };
}

/** Both servers come to see it so, at the device API. */
async function sees(credential: DoorCredential, expected: Outcome): Promise<void> {
  for (const server of [other!, one!]) await until(async () => (await credential.self(server)) === expected);
}

/** The same of sessions. @param token one that was given before */
async function begins(credential: DoorCredential, expected: Outcome, token?: string): Promise<void> {
  for (const server of [other!, one!]) await until(async () => (await credential.begin(server, token)) === expected);
}

/** The server closes a connection on which somebody goes on asking, so that no other bound does. */
async function closes(credential: DoorCredential, server: TlsServer, on: TLSSocket): Promise<void> {
  const closed = new Promise<void>((done) => (on.destroyed ? done() : on.once('close', () => done())));
  await until(async () => {
    if (!on.destroyed) await Promise.race([closed, credential.self(server, on).catch(() => undefined)]);
    return on.destroyed;
  });
}

async function renewed(credential: DoorCredential, at: TlsServer): Promise<DoorCredential> {
  const { outcome, next } = await credential.renew(at);
  expect(outcome).toBe('in');
  for (const value of next!.values) expect(credential.values).not.toContain(value);
  return next!;
}

/** As time would. */
async function move(siteId: number, set: string, stage = 'current'): Promise<void> {
  await fleet.sql(`UPDATE site_credential SET ${set} WHERE site_id = $1 AND stage = $2 AND revoked_at IS NULL`, [
    siteId,
    stage,
  ]);
  await fleet.sql(`SELECT pg_notify('site_changed', $1::text)`, [siteId]);
}
const expire = (siteId: number) =>
  move(siteId, `expires_at = now() - interval '1 second', renew_until = now() + interval '1 day'`);
const endGrace = (siteId: number) =>
  move(siteId, `expires_at = now() - interval '1 day', renew_until = now() - interval '1 second'`);
const endOverlap = (siteId: number) => move(siteId, `ends_at = now() - interval '1 second'`, 'previous');

interface Listed {
  credentials: { kind: string; stage: string; status: string; lastUsedAddress: string | null }[];
  rotation: { offeredAt: string | null } | null;
}
const listed = (siteId: number) => fleet.root.expect<Listed>('GET', `/site/${siteId}/credentials`);
const stagesOf = async (siteId: number) =>
  (await listed(siteId)).credentials.map(({ stage, status }) => `${stage} ${status}`);
const rotate = (siteId: number) =>
  fleet.root.expect<{ delivery: string }>('POST', `/site/${siteId}/rotate-credential`, { overlapSeconds: 60 });
const revoke = (siteId: number) => fleet.root.expect('POST', `/site/${siteId}/revoke`, {});

/** A superseded key still ends its handshake, so that its use is proved. */
const SUPERSEDED: Outcome = 'refused';
/** After its grace, and revoked: an identity that is over ends as one that never was. */
const afterGrace = ({ kind }: Door): Outcome => (kind === 'psk' ? 'no handshake' : 'refused');
const afterRevocation = ({ kind }: Door): Outcome => (kind === 'psk' ? 'no handshake' : 'revoked');
/** What a refusal says to who renews. */
const renewing = ({ refusesAlike }: Door, outcome: Outcome): Outcome => (refusesAlike ? 'asked to enrol' : outcome);

const AGENT = { capabilities: ['credentials'] };
async function agent(credential: DoorCredential, at: TlsServer): Promise<TestSession> {
  const session = await credential.connect(at);
  await session.hello(AGENT);
  return session;
}
const REPLACED = { code: 4001 };
const ENDED = { code: 4002, reason: 'credential_ended' };

type Step = 'claim' | 'use' | 'renew' | 'rotate' | 'revoke' | 'expire' | 'renew in grace' | 'after grace';
type Cell = (door: Door) => Promise<void>;

const AT_DEVICE_API: Record<Step, Cell> = {
  async claim(door) {
    const { first, siteId } = await claim(door);
    await sees(first, 'in');
    expect((await listed(siteId)).credentials).toMatchObject([{ kind: door.kind, stage: 'current', status: 'usable' }]);
  },

  async use(door) {
    const { first, siteId } = await claimed(door);
    const kept = await first.keep(other!);
    for (let i = 0; i < 3; i++) expect(await first.self(other!, kept)).toBe('in');
    kept.destroy();
    await until(async () => (await listed(siteId)).credentials[0]!.lastUsedAddress === '127.0.0.1');
  },

  async renew(door) {
    const { first, siteId } = await claimed(door);
    const next = await renewed(first, one!);
    expect(await stagesOf(siteId)).toEqual(['next usable', 'current usable']);
    await until(async () => (await next.self(other!)) === 'in');
    expect(await stagesOf(siteId)).toEqual(['current usable', 'previous usable']);
    await sees(next, 'in');
    await sees(first, 'in');
    await endOverlap(siteId);
    await sees(first, SUPERSEDED);
    expect((await first.renew(other!)).outcome).toBe(renewing(door, SUPERSEDED));
    await sees(next, 'in');
  },

  async rotate(door) {
    const { first, siteId } = await claimed(door);
    expect(await rotate(siteId)).toMatchObject({ delivery: 'later' });
    const lost = await renewed(first, one!);
    const next = await renewed(first, one!);
    await until(async () => (await next.self(other!)) === 'in');
    expect((await listed(siteId)).rotation).toBeNull();
    await sees(lost, afterGrace(door));
    await sees(first, 'in');
    await endOverlap(siteId);
    await sees(first, SUPERSEDED);
    await sees(next, 'in');
  },

  async revoke(door) {
    const { first, siteId } = await claimed(door);
    const next = await renewed(first, one!);
    const kept = await Promise.all([one!, other!].map(async (server) => [server, await first.keep(server)] as const));
    for (const [server, on] of kept) expect(await first.self(server, on)).toBe('in');
    await revoke(siteId);
    if (door.ownsConnection) for (const [server, on] of kept) await closes(first, server, on);
    for (const credential of [first, next]) await sees(credential, afterRevocation(door));
    expect((await first.renew(other!)).outcome).toBe(renewing(door, afterRevocation(door)));
    if (!door.ownsConnection)
      for (const [server, on] of kept) expect(await first.self(server, on)).toBe(afterRevocation(door));
    for (const [, on] of kept) on.destroy();
  },

  async expire(door) {
    const { first, siteId } = await claimed(door);
    const kept: TLSSocket = await first.keep(other!);
    expect(await first.self(other!, kept)).toBe('in');
    await expire(siteId);
    await sees(first, 'expired');
    expect(await first.self(other!, kept)).toBe('expired');
    kept.destroy();
  },

  async 'renew in grace'(door) {
    const { first, siteId } = await claimed(door);
    await expire(siteId);
    await sees(first, 'expired');
    const next = await renewed(first, one!);
    await until(async () => (await next.self(other!)) === 'in');
    await sees(next, 'in');
    await sees(first, 'expired');
    await endOverlap(siteId);
    await sees(first, SUPERSEDED);
  },

  async 'after grace'(door) {
    const { first, siteId } = await claimed(door);
    await endGrace(siteId);
    await sees(first, afterGrace(door));
    for (const server of [one!, other!])
      expect((await first.renew(server)).outcome).toBe(renewing(door, afterGrace(door)));
    expect(await stagesOf(siteId)).toEqual(['current expired']);
  },
};

const OVER_SESSIONS: Record<Step, Cell> = {
  async claim(door) {
    const { first, siteId } = await claim(door);
    if (door.kind === 'psk') await sees(first, 'in');
    const session = await agent(first, other!);
    expect(await fleet.isOnline({ siteId, deviceId: '', apiKey: '' })).toBe(true);
    await session.close();
  },

  async use(door) {
    const { first, siteId } = await claimed(door);
    const session = await agent(first, one!);
    const newer = await agent(first, other!);
    expect(await session.closed).toMatchObject(REPLACED);
    await newer.settled();
    expect(await stagesOf(siteId)).toEqual(['current usable']);
    await newer.close();
  },

  /** A session, and the token that one begins with, are not enough to renew; the credential is, and sessions go on with the next one. */
  async renew(door) {
    const { first, siteId } = await claimed(door);
    const session = await agent(first, one!);
    const { asking, path } = await door.renewal(first.deviceId);
    const authorization = `Bearer ${(await first.token(one!)) as string}`;
    const refused = await ask(door.port(other!), path, { ...asking, headers: { ...asking.headers, authorization } });
    expect(refused.status).toBe(door.refusesAlike ? 401 : 403);
    expect(await stagesOf(siteId)).toEqual(['current usable']);
    const next = await renewed(first, one!);
    if (door.kind === 'psk') await until(async () => (await next.self(other!)) === 'in');
    const newer = await agent(next, other!);
    expect(await session.closed).toMatchObject(REPLACED);
    expect(await stagesOf(siteId)).toEqual(['current usable', 'previous usable']);
    await endOverlap(siteId);
    await begins(first, SUPERSEDED);
    await newer.settled();
    await newer.close();
  },

  async rotate(door) {
    const { first, siteId } = await claimed(door);
    const session = await agent(first, one!);
    // What a hello says is written a moment later.
    await until(
      async () => (await fleet.sql('SELECT FROM site_client WHERE site_id = $1 AND takes_credentials', [siteId]))[0],
    );
    expect(await rotate(siteId)).toMatchObject({ delivery: 'session' });
    const { credential } = (await session.message('agent/credential')).data as AgentCredential;
    expect((await listed(siteId)).rotation).toMatchObject({ offeredAt: expect.any(String) as string });
    // A certificate takes a request of the machine, which therefore renews.
    expect(credential?.credential_type).toBe(door.kind === 'certificate' ? undefined : door.kind);
    const next = credential ? first.followedBy(credential as RenewedCredential) : await renewed(first, one!);
    if (door.kind === 'psk') await until(async () => (await next.self(other!)) === 'in');
    const newer = await agent(next, other!);
    expect(await session.closed).toMatchObject(REPLACED);
    expect((await listed(siteId)).rotation).toBeNull();
    const late = await first.connect(one!);
    await endOverlap(siteId);
    expect(await late.closed).toMatchObject(ENDED);
    await begins(first, SUPERSEDED);
    await newer.close();
  },

  async revoke(door) {
    const { first, siteId } = await claimed(door);
    const token = (await first.token(one!)) as string;
    const session = await agent(first, other!);
    await revoke(siteId);
    expect(await session.closed).toMatchObject({ code: 4003 });
    await begins(first, afterRevocation(door));
    await begins(first, 'revoked', token);
  },

  async expire(door) {
    const { first, siteId } = await claimed(door);
    const token = (await first.token(one!)) as string;
    const session = await agent(first, other!);
    await expire(siteId);
    expect(await session.closed).toMatchObject(ENDED);
    await begins(first, 'expired');
    await begins(first, 'refused', token);
  },

  async 'renew in grace'(door) {
    const { first, siteId } = await claimed(door);
    await expire(siteId);
    await begins(first, 'expired');
    const next = await renewed(first, one!);
    if (door.kind === 'psk') await until(async () => (await next.self(other!)) === 'in');
    const session = await agent(next, other!);
    expect(await stagesOf(siteId)).toEqual(['current usable', 'previous expired']);
    await session.close();
  },

  async 'after grace'(door) {
    const { first, siteId } = await claimed(door);
    const session = await agent(first, other!);
    await endGrace(siteId);
    expect(await session.closed).toMatchObject(ENDED);
    await begins(first, afterGrace(door));
  },
};

describe.each(DOORS)('$name', (door) => {
  it.each(Object.entries(AT_DEVICE_API))('%s, at the device API', (_, cell) => cell(door));
  it.each(Object.entries(OVER_SESSIONS))('%s, over sessions', (_, cell) => cell(door));
});

describe('an unmodified newt', () => {
  it('cannot take another credential over its session', async () => {
    const { first, siteId } = await claimed(DOORS.find(({ kind }) => kind === 'newt')!);
    const session = await first.connect(other!);
    session.send('newt/wg/register', { newtVersion: '1.13.0' });
    await until(async () => (await rotate(siteId)).delivery === 'never');
    await session.settled();
    expect(session.received.map(({ type }) => type)).not.toContain('agent/credential');
    expect(await listed(siteId)).toMatchObject({ rotation: { offeredAt: null }, credentials: [{ stage: 'current' }] });
    await session.close();
  });
});
