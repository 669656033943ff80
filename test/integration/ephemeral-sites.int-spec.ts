// The rules are those of docs/claims.md.
import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SiteExpiryRepository } from '../../src/agents/expiry/site-expiry.repository.js';
import { SiteExpiry } from '../../src/agents/expiry/site-expiry.service.js';
import { PresenceRepository } from '../../src/agents/presence/presence.repository.js';
import { SiteLifecycleService } from '../../src/sites/index.js';
import { deviceToken, newHardwareId, provision, register, type TestKey, TestOrg } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

const SECONDS = 600;
let app: TestApp;
let org: TestOrg;
let key: TestKey;
// Nothing is removed by itself here: the role `jobs` does that.
beforeAll(async () => {
  app = await openTestApp({ SERVER_ROLES: 'agents', BASE_DOMAIN: 'gate.example.net' });
  org = await TestOrg.create(app.root);
  key = await org.keyUnder({ ephemeralSeconds: SECONDS });
});
afterAll(() => app?.close());
beforeEach(() => app.sql(`UPDATE server SET lease_since = now() - interval '1 day'`));
afterEach(() => vi.restoreAllMocks());

interface Device {
  siteId: number;
  apiKey: string;
  hardwareId: string;
  address: string;
  seconds: number | null | undefined;
}
async function claim(by = key, more: Record<string, unknown> = { ephemeral: true }): Promise<Device> {
  const hardwareId = newHardwareId();
  const { status, body } = await provision(app.root.url, {
    provision_key: by.siteProvisioningKey,
    hardware_id: hardwareId,
    ...more,
  });
  expect(status).toBe(201);
  const [site] = await app.sql<{ siteId: number; address: string }>(
    'SELECT site_id AS "siteId", host(address) AS address FROM site WHERE device_id = $1',
    [body.device_id],
  );
  return {
    ...site!,
    apiKey: body.api_key,
    hardwareId,
    seconds: (body as { ephemeral_seconds?: number }).ephemeral_seconds,
  };
}
/** As if it had been claimed, and had its last session, so long ago. */
async function away({ siteId }: Device, seconds: number): Promise<void> {
  await app.sql('UPDATE site SET created_at = now() - make_interval(secs => $2) WHERE site_id = $1', [siteId, seconds]);
  await app.sql('UPDATE site_presence SET last_seen_at = now() - make_interval(secs => $2) WHERE site_id = $1', [
    siteId,
    seconds,
  ]);
}
const remove = () => app.get(SiteExpiry).removeDue();
const isThere = async ({ siteId }: Device) => (await app.root.get(`/site/${siteId}`)).status === 200;
const wsUrl = () => `${app.root.url.replace('http', 'ws')}/api/v1/ws`;
const connect = async (device: Device) =>
  TestSession.connect(wsUrl(), (await deviceToken(app.root.url, device.apiKey)).body.data.token);
const offline = (device: Device) =>
  until(
    async () =>
      (await app.sql('SELECT FROM site_presence WHERE site_id = $1 AND session_id IS NULL', [device.siteId])).length ===
      1,
  );
const told = (table: 'event' | 'audit', device: Device) =>
  table === 'event'
    ? app.sql<{ data: object }>(`SELECT data FROM event WHERE type = 'site.expired' AND site_id = $1`, [device.siteId])
    : app.sql<{ actor_type: string; details: object }>(
        `SELECT actor_type, details FROM audit WHERE action = 'site.expire' AND target_id = $1`,
        [String(device.siteId)],
      );

describe('rule 32: an ephemeral site', () => {
  it('goes once it has been offline for as long as its template said, with all that hangs on it, and leaves no tombstone', async () => {
    const device = await claim();
    expect(device.seconds).toBe(SECONDS);
    expect(await app.root.expect('GET', `/site/${device.siteId}`)).toMatchObject({ ephemeralSeconds: SECONDS });
    const { domains } = await app.root.expect<{ domains: { domainId: string }[] }>('GET', org.path('domains'));
    const { resourceId } = await app.root.expect<{ resourceId: number }>('PUT', org.path('resource'), {
      name: 'App',
      http: true,
      protocol: 'tcp',
      domainId: domains[0]!.domainId,
      subdomain: 'ephemeral',
    });
    await app.root.expect('PUT', `/resource/${resourceId}/target`, {
      siteId: device.siteId,
      ip: '10.0.0.9',
      port: 80,
      method: 'http',
    });
    const { total } = (await org.sites()).pagination;

    await away(device, SECONDS - 5);
    expect(await remove()).toBe(0);
    expect(await isThere(device)).toBe(true);
    expect((await deviceToken(app.root.url, device.apiKey)).status).toBe(200);
    await away(device, SECONDS);
    expect(await remove()).toBe(1);

    expect(await isThere(device)).toBe(false);
    expect((await org.sites()).pagination.total).toBe(total - 1);
    await until(async () => (await deviceToken(app.root.url, device.apiKey)).status === 401);
    expect(await app.root.expect('GET', `/resource/${resourceId}/targets`)).toMatchObject({ targets: [] });
    expect(await app.root.expect('GET', org.path('tombstones'))).toMatchObject({ tombstones: [] });
    expect(await told('event', device)).toEqual([
      {
        data: expect.objectContaining({
          hardwareId: device.hardwareId,
          ephemeralSeconds: SECONDS,
          offlineSince: expect.any(String),
        }),
      },
    ]);
    expect(await told('audit', device)).toEqual([
      { actor_type: 'system', details: expect.objectContaining({ niceId: expect.any(String) }) },
    ]);
    // Address and hardware id are free again.
    const heir = { name: 'heir', type: 'newt', address: device.address };
    expect((await app.root.put(org.path('site'), heir)).status).toBe(201);
    const again = { provision_key: key.siteProvisioningKey, hardware_id: device.hardwareId };
    expect((await provision(app.root.url, again)).status).toBe(201);
  });

  it('counts from its last session, and never while it has one', async () => {
    const device = await claim();
    const session = await connect(device);
    await away(device, 2 * SECONDS);
    expect(await remove()).toBe(0);
    await session.close();
    await offline(device);
    // The claim is long ago, the session has just ended.
    expect(await remove()).toBe(0);
    await away(device, SECONDS);
    expect(await remove()).toBe(1);
  });

  it('is one only where claim and template say so; the answer tells who asked', async () => {
    const lasting = await org.key();
    const plain = await claim(lasting);
    expect(plain.seconds).toBeNull();
    const unasked = await claim(key, {});
    expect(unasked.seconds).toBeUndefined();
    const newt = await register(app.root.url, { provisioningKey: lasting.siteProvisioningKey, ephemeral: true });
    expect(newt.body.data).toMatchObject({ ephemeralSeconds: null });
    const hardwareId = newHardwareId();
    const honoured = { provisioningKey: key.siteProvisioningKey, hardwareId, ephemeral: true };
    expect((await register(app.root.url, honoured)).body.data).toMatchObject({ ephemeralSeconds: SECONDS });
    // A machine that is known gets the value of its site, whatever it says now.
    expect((await register(app.root.url, honoured)).body.data).toMatchObject({ secret: '', ephemeralSeconds: SECONDS });
    expect(
      (
        await provision(app.root.url, {
          provision_key: key.siteProvisioningKey,
          hardware_id: unasked.hardwareId,
          ephemeral: true,
        })
      ).body,
    ).toMatchObject({ api_key: '', ephemeral_seconds: null });
    for (const device of [plain, unasked]) await away(device, 10 * SECONDS);
    expect(await remove()).toBe(0);
    const wrong = await provision(app.root.url, { provision_key: key.siteProvisioningKey, ephemeral: 'yes' });
    expect([wrong.status, wrong.text]).toEqual([400, expect.stringContaining('ephemeral')]);
  });

  it('has the time of its claim; a template changed later is for later claims', async () => {
    const { templateId } = await org.template({ ephemeralSeconds: 60 });
    const own = await org.key({ templateId });
    const early = await claim(own);
    await app.root.expect('POST', org.path(`provisioning-template/${templateId}`), { ephemeralSeconds: null });
    expect((await claim(own)).seconds).toBeNull();
    await away(early, 60);
    expect(await remove()).toBe(1);
  });

  it('goes while it is pending, and stays when it is suspended or revoked', async () => {
    const [pending, suspended, revoked] = [
      await claim(await org.keyUnder({ ephemeralSeconds: SECONDS, approveNewSites: false })),
      await claim(),
      await claim(),
    ];
    await app.root.expect('POST', `/site/${suspended.siteId}`, { status: 'pending' });
    await app.root.expect('POST', `/site/${revoked.siteId}/revoke`, {});
    for (const device of [pending, suspended, revoked]) await away(device, 2 * SECONDS);
    expect(await remove()).toBe(1);
    expect([await isThere(pending), await isThere(suspended), await isThere(revoked)]).toEqual([false, true, true]);
  });

  it('a template takes a minute to 30 days', async () => {
    for (const ephemeralSeconds of [59, 2_592_001, 60.5, '60']) {
      const reply = await app.root.put(org.path('provisioning-template'), { name: 'wrong', ephemeralSeconds });
      expect([reply.status, reply.text]).toEqual([400, expect.stringContaining('ephemeralSeconds')]);
    }
    for (const ephemeralSeconds of [60, 2_592_000, null]) await org.template({ ephemeralSeconds });
  });
});

describe('time in which nobody could connect', () => {
  it('does not count: a server that comes back gives every site its whole time', async () => {
    const device = await claim();
    await away(device, 10 * SECONDS);
    await app.sql('UPDATE server SET lease_since = now() - make_interval(secs => $1)', [SECONDS - 5]);
    expect(await remove()).toBe(0);
    await app.sql('UPDATE server SET lease_since = now() - make_interval(secs => $1)', [SECONDS]);
    expect(await remove()).toBe(1);
  });

  it('begins anew for a server whose lease had run out', async () => {
    await app.sql(
      `UPDATE server SET lease_expires_at = now() - interval '1 second', renewed_at = now() - interval '1 minute'`,
    );
    const device = await claim();
    await away(device, 10 * SECONDS);
    expect(await remove()).toBe(0);
    await until(
      async () => (await app.sql(`SELECT FROM server WHERE lease_since > now() - interval '1 minute'`)).length === 1,
    );
    expect(await remove()).toBe(0);
    await app.sql('DELETE FROM site WHERE site_id = $1', [device.siteId]);
  });
});

/** A promise, and what fulfils it. */
function gate(): { passed: Promise<void>; open: () => void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open };
}

describe('a session that opens as its site expires', () => {
  it.each(['its first session', 'another session'])('%s: whoever registers first keeps the site', async (which) => {
    const device = await claim();
    if (which === 'another session') {
      await (await connect(device)).close();
      await offline(device);
    }
    await away(device, SECONDS);
    const repository = app.get(PresenceRepository);
    const register = repository.register.bind(repository);
    const [entered, go] = [gate(), gate()];
    vi.spyOn(repository, 'register').mockImplementationOnce(async (...args) => {
      entered.open();
      await go.passed;
      return register(...args);
    });
    const session = connect(device);
    await entered.passed;
    const swept = remove();
    // The removal waits for the presence, which the session holds.
    await until(
      async () =>
        (
          await app.sql(
            `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%site_presence%'`,
          )
        ).length > 0,
    );
    go.open();
    const opened = await session;
    expect(await swept).toBe(0);
    expect(await isThere(device)).toBe(true);
    expect(opened.isOpen).toBe(true);
    expect(await told('event', device)).toEqual([]);
    await opened.close();
    await offline(device);
    await away(device, SECONDS);
    expect(await remove()).toBe(1);
  });

  it.each(['its first session', 'another session'])(
    '%s: once the removal has it, the session is refused',
    async (which) => {
      const device = await claim();
      if (which === 'another session') {
        await (await connect(device)).close();
        await offline(device);
      }
      await away(device, SECONDS);
      const { token } = (await deviceToken(app.root.url, device.apiKey)).body.data;
      const repository = app.get(SiteExpiryRepository);
      const lockDue = repository.lockDue.bind(repository);
      const [entered, go] = [gate(), gate()];
      vi.spyOn(repository, 'lockDue').mockImplementationOnce(async (...args) => {
        const due = await lockDue(...args);
        entered.open();
        await go.passed;
        return due;
      });
      const swept = remove();
      await entered.passed;
      const session = TestSession.connect(wsUrl(), token).then(
        () => 'opened',
        (refused: { status: number }) => refused.status,
      );
      await until(
        async () =>
          (
            await app.sql(
              `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
            )
          ).length > 0,
      );
      go.open();
      expect(await swept).toBe(1);
      expect(await session).toBe(401);
      expect(await told('event', device)).toHaveLength(1);
    },
  );
});

describe('several servers', () => {
  let other: StartedApp;
  beforeAll(async () => {
    other = await startApp(app.database.url, { SERVER_ROLES: 'agents' });
  });
  afterAll(() => other?.close());

  it('share the work: each site goes once', async () => {
    const devices = await Promise.all(Array.from({ length: 30 }, () => claim()));
    for (const device of devices) await away(device, SECONDS);
    const removed = await Promise.all([remove(), other.app.get(SiteExpiry).removeDue(), remove()]);
    expect(removed.reduce((sum, n) => sum + n, 0)).toBe(30);
    for (const table of ['event', 'audit'] as const)
      for (const device of devices) expect(await told(table, device)).toHaveLength(1);
  });

  it('one site that cannot be removed stops no other, and is tried again', async () => {
    const [first, second] = [await claim(), await claim()];
    await away(first, SECONDS);
    await away(second, SECONDS);
    const sites = app.get(SiteLifecycleService);
    const removeSite = sites.remove.bind(sites);
    vi.spyOn(sites, 'remove').mockImplementation((tx, orgId, siteId, reason) => {
      if (siteId === first.siteId) throw new Error('not this one');
      return removeSite(tx, orgId, siteId, reason);
    });
    await expect(remove()).rejects.toThrow('not this one');
    expect([await isThere(first), await isThere(second)]).toEqual([true, false]);
    expect(await told('event', first)).toEqual([]);
    vi.restoreAllMocks();
    expect(await remove()).toBe(1);
  });
});
