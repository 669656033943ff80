import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newHardwareId, provision } from '../support/api.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import {
  ask,
  connectSession,
  connectTls,
  openssl,
  resume,
  startTlsServer,
  type TlsOptions,
  type TlsServer,
  withPsk,
} from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { startServer, type TestServer, until } from '../support/server.js';

const SELF = '/api/v1/device/self';
const KEPT = { connection: 'keep-alive' };

let database: TestDatabase;
/** Takes claims, so that the other process hears of identities by notices. */
let plain: TestServer;
let tls: TlsServer;
let fleet: TestFleet;
let key: string;
/** Claimed before the other server started. */
let early: Device;

interface Device {
  deviceId: string;
  siteId: number;
  identity: string;
  psk: string;
}

beforeAll(async () => {
  database = await createTestDatabase();
  plain = await startServer({ databaseUrl: database.url });
  fleet = await TestFleet.create(plain);
  key = (await fleet.org.keyUnder({ credentialType: 'psk' }, { approveNewSites: true })).siteProvisioningKey;
  early = await claim();
  tls = await startTlsServer({ databaseUrl: database.url });
});
afterAll(async () => {
  await tls?.stop();
  await plain?.stop();
  await database?.drop();
});

async function claim(): Promise<Device> {
  const { body } = await provision(plain.url, { provision_key: key, hardware_id: newHardwareId() });
  const [row] = await fleet.sql<{ id: number }>('SELECT site_id::int AS id FROM site WHERE device_id = $1', [
    body.device_id,
  ]);
  return { deviceId: body.device_id, siteId: row!.id, identity: body.psk_identity!, psk: body.psk! };
}

const by = ({ identity, psk }: Device): TlsOptions => withPsk(identity, psk);

/** How a handshake ended: the number of the alert that the client got. */
async function alertFor(options: TlsOptions): Promise<string> {
  const reply = await ask(tls.devicePort, SELF, options).catch((error: Error) => error);
  return reply instanceof Error
    ? (/alert number \d+/.exec(reply.message)?.[0] ?? reply.message)
    : `answered with ${reply.status}`;
}

/** A claimed identity is known on every server a moment later. */
const known = (device: Device) => until(async () => (await alertFor(by(device))) === 'answered with 200');

describe('a pre-shared key', () => {
  it.each<[string, TlsOptions]>([
    ['TLS 1.3', { minVersion: 'TLSv1.3' }],
    ['ECDHE-PSK', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-PSK-AES128-CBC-SHA256' }],
    ['DHE-PSK', { maxVersion: 'TLSv1.2', ciphers: 'DHE-PSK-AES256-GCM-SHA384' }],
    ['TLS 1.2, where suites of certificates are offered too', { maxVersion: 'TLSv1.2', ciphers: 'DEFAULT:PSK' }],
  ])('authenticates by %s', async (_, version) => {
    expect(await ask(tls.devicePort, SELF, { ...by(early), ...version })).toMatchObject({
      status: 200,
      body: { device_id: early.deviceId },
    });
  });

  it.each(['PSK-AES128-GCM-SHA256', 'RSA-PSK-AES128-GCM-SHA256'])(
    'is not taken without an exchange: %s',
    async (ciphers) => {
      expect(await alertFor({ ...by(early), maxVersion: 'TLSv1.2', ciphers })).toBe('alert number 40');
    },
  );

  it('is asked for without a hint', async () => {
    const hints: (string | null)[] = [];
    const { pskCallback } = by(early);
    const asking = {
      maxVersion: 'TLSv1.2' as const,
      ciphers: 'PSK',
      pskCallback: (hint: string | null) => (hints.push(hint), pskCallback!(hint)),
    };
    expect(await alertFor(asking)).toBe('answered with 200');
    expect(hints).toEqual([null]);
  });

  it('stands behind a header', async () => {
    const other = await fleet.device();
    const headers = { authorization: `Bearer ${other.apiKey}` };
    expect(await ask(tls.devicePort, SELF, { ...by(early), headers })).toMatchObject({
      status: 200,
      body: { device_id: other.deviceId },
    });
    const wrong = { authorization: `Bearer ${other.apiKey}x` };
    expect((await ask(tls.devicePort, SELF, { ...by(early), headers: wrong })).status).toBe(401);
  });

  it('ends alike when it is wrong, unknown or revoked, in both versions', async () => {
    const gone = await claim();
    await known(gone);
    const open = await connectTls(tls.devicePort, by(gone));
    expect((await ask(tls.devicePort, SELF, { on: open, headers: KEPT })).status).toBe(200);
    const asked = await connectTls(tls.devicePort, by(gone));
    await ask(tls.devicePort, SELF, { on: asked, headers: KEPT });
    const session = await connectSession(tls.devicePort, { createConnection: () => asked });
    const closed = once(open, 'close');
    await fleet.root.expect('DELETE', `/site/${gone.siteId}`);
    await closed;
    expect(await session.closed).toMatchObject({ code: 4003 });
    await until(async () => !(await alertFor(by(gone))).startsWith('answered'));

    const wrong = { ...early, psk: gone.psk };
    const unknown = { ...gone, identity: `${crypto.randomUUID()}.abcdefgh` };
    const alerts = async (version: TlsOptions) =>
      Promise.all([wrong, unknown, gone].map((device) => alertFor({ ...by(device), ...version })));
    expect(new Set(await alerts({ minVersion: 'TLSv1.3' }))).toEqual(new Set(['alert number 47']));
    expect(new Set(await alerts({ maxVersion: 'TLSv1.2', ciphers: 'PSK' }))).toEqual(new Set(['alert number 20']));
    expect(await tls.metrics()).toMatch(/gatehouse_tls_handshakes_total\{outcome="failed"\} [1-9]/);
  });

  it('ends so when its grace is over, and nobody has to say so', async () => {
    const device = await claim();
    await known(device);
    await fleet.sql(
      `UPDATE site_credential SET expires_at = now() - interval '1 second', renew_until = now() + interval '2 seconds' WHERE site_id = $1`,
      [device.siteId],
    );
    await fleet.sql(`SELECT pg_notify('site_changed', $1::text)`, [device.siteId]);
    await until(async () => (await alertFor({ ...by(device), minVersion: 'TLSv1.3' })) === 'alert number 47');
  });

  it('is nothing where its name cannot be one of ours', async () => {
    expect(await alertFor({ ...withPsk('admin', early.psk), minVersion: 'TLSv1.3' })).toBe('answered with 401');
  });

  it('does not come back by a session of a connection that proved it', async () => {
    const device = await claim();
    await known(device);
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const only = { minVersion: version, maxVersion: version, ...(version === 'TLSv1.2' ? { ciphers: 'PSK' } : {}) };
      const again = await resume(
        tls.devicePort,
        { ...by(device), ...only },
        async (on) => expect((await ask(tls.devicePort, SELF, { on, headers: KEPT })).status).toBe(200),
        { ...only, ciphers: 'DEFAULT' },
      );
      const { status } = await ask(tls.devicePort, SELF, { on: again });
      expect({ version, status, reused: again.isSessionReused() }).toEqual({ version, status: 401, reused: false });
    }
  });

  it('works after the certificate of the server was renewed', async () => {
    await tls.renew('0c');
    expect(await alertFor({ ...by(early), minVersion: 'TLSv1.3' })).toBe('answered with 200');
    expect(await alertFor({ ...by(early), maxVersion: 'TLSv1.2', ciphers: 'PSK' })).toBe('answered with 200');
  });

  it('authenticates openssl s_client, where there is one', () => {
    const psk = Buffer.from(early.psk, 'base64url').toString('hex');
    for (const version of [['-tls1_3'], ['-tls1_2', '-cipher', 'PSK']]) {
      const printed = openssl(tls.devicePort, SELF, ['-psk', psk, '-psk_identity', early.identity, ...version]);
      if (printed === undefined) continue;
      expect(printed).toContain(early.deviceId);
      expect(printed).toContain('No client certificate CA names sent');
    }
  });
});
