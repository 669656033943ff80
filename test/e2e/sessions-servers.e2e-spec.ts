import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { TestFleet } from '../support/devices.js';
import { Newt } from '../support/newt.js';
import { startServer, type TestServer, until } from '../support/server.js';
import type { Refused } from '../support/session.js';

let a: TestServer;
let b: TestServer;
let fleet: TestFleet;

beforeAll(async () => {
  a = await startServer();
  b = await startServer({ databaseUrl: a.databaseUrl });
  fleet = await TestFleet.create(a);
});
afterAll(async () => {
  await b?.stop();
  await a?.stop();
});

describe('two server processes', () => {
  it('agree on the newest session of a site', async () => {
    const device = await fleet.device();
    const older = await fleet.connect(device, a);
    const newer = await fleet.connect(device, b);
    expect((await older.closed).code).toBe(4001);
    await newer.settled();
    expect(await fleet.isOnline(device)).toBe(true);
    expect(await fleet.events(device)).toEqual(['site.online']);
    await newer.close();
    await until(async () => !(await fleet.isOnline(device)));
    expect(await fleet.events(device)).toEqual(['site.online', 'site.offline']);
  });

  it('count the take-overs of a duel together', async () => {
    const device = await fleet.device();
    let established = await fleet.connect(device, a);
    for (const server of [b, a, b]) {
      const newest = await fleet.connect(device, server);
      expect((await established.closed).code).toBe(4001);
      established = newest;
    }
    for (const server of [a, b]) {
      await expect(fleet.connect(device, server)).rejects.toMatchObject({ status: 429 } satisfies Partial<Refused>);
    }
    expect(established.isOpen).toBe(true);
    expect(await fleet.events(device)).toEqual(['site.online', 'site.duplicate_session']);
    await established.close();
  });

  it('both close the session of a site that was revoked through the other', async () => {
    for (const [holds, acts] of [
      [a, b],
      [b, a],
    ] as const) {
      const device = await fleet.device();
      const session = await fleet.connect(device, holds);
      await Api.root(acts).expect('POST', `/site/${device.siteId}/revoke`, {});
      expect((await session.closed).code).toBe(4003);
      await until(async () => !(await fleet.isOnline(device)));
      expect(await fleet.events(device)).toEqual(['site.online', 'site.offline']);
    }
  });

  it('have an agent connect again that was asked to through the other: Gatehouse’s after a hint, a newt at once', async () => {
    for (const [holds, acts] of [
      [a, b],
      [b, a],
    ] as const) {
      const device = await fleet.device();
      const session = await fleet.connect(device, holds);
      await session.hello();
      const restart = () => Api.root(acts).post(`/v1/site/${device.siteId}/restart`);
      expect((await restart()).status).toBe(202);
      expect((await session.message('agent/reconnect')).data).toEqual({ afterMs: 0 });
      expect((await session.closed).code).toBe(1012);
      const again = await fleet.connect(device, holds);
      await again.settled();
      // One that never said hello is a newt: it needs no hint.
      expect((await restart()).status).toBe(202);
      expect((await again.closed).code).toBe(1012);
      expect(again.received.filter(({ type }) => type === 'agent/reconnect')).toEqual([]);
      // Nobody is there to be asked, and that is no error.
      expect((await restart()).status).toBe(202);
    }
  });

  it('approve a site whose session the other holds', async () => {
    const device = await fleet.device('pending');
    const session = await fleet.connect(device, b);
    await session.hello();
    await fleet.root.expect('POST', `/site/${device.siteId}`, { status: 'approved' });
    await session.message('agent/state', (data) => data['status'] === 'approved');
    await session.close();
  });
});

describe('a server that stops', () => {
  it('sends its agents away with 1012 after a hint, and puts their sites offline once', async () => {
    const server = await startServer({ databaseUrl: a.databaseUrl });
    const devices = await fleet.devices(20);
    const sessions = await Promise.all(devices.map((device) => fleet.connect(device, server)));
    await Promise.all(sessions.slice(0, 10).map((session) => session.hello()));
    const newt = new Newt({
      url: server.url,
      ...(await Newt.provision(server.url, (await fleet.org.key()).siteProvisioningKey)),
    });
    await newt.connect();
    await server.stop();
    for (const [i, session] of sessions.entries()) {
      expect((await session.closed).code).toBe(1012);
      const hints = session.received.filter((m) => m.type === 'agent/reconnect');
      // Only who said hello knows the message.
      expect(hints).toHaveLength(i < 10 ? 1 : 0);
      for (const { data } of hints) expect(data['afterMs']).toEqual(expect.any(Number));
    }
    expect(newt.problems).toEqual(['the server closed the connection']);
    for (const device of devices) expect(await fleet.events(device)).toEqual(['site.online', 'site.offline']);
    expect(
      await fleet.sql(
        'SELECT 1 FROM site_presence WHERE server_id IS NOT NULL AND server_id NOT IN (SELECT server_id FROM server)',
      ),
    ).toEqual([]);
  });
});

describe('a server that is lost', () => {
  it('has its sites put offline by another, once, unless their agents returned; one that was only stopped registers its sessions again', async () => {
    const killed = await startServer({ databaseUrl: a.databaseUrl });
    const stopped = await startServer({ databaseUrl: a.databaseUrl });
    const [lost, returned, frozen, elsewhere] = await fleet.devices(4);
    await fleet.connect(lost!, killed);
    await fleet.connect(returned!, killed);
    const asleep = await fleet.connect(frozen!, stopped);
    const replaced = await fleet.connect(elsewhere!, stopped);
    await killed.kill();
    process.kill(stopped.pid, 'SIGSTOP');
    const back = await fleet.connect(returned!, a);
    await until(async () => !(await fleet.isOnline(lost!)), 250);
    await until(async () => !(await fleet.isOnline(frozen!)), 250);
    const newer = await fleet.connect(elsewhere!, a);
    expect(await fleet.events(lost!)).toEqual(['site.online', 'site.offline']);
    expect(await fleet.events(returned!)).toEqual(['site.online']);

    process.kill(stopped.pid, 'SIGCONT');
    await until(() => fleet.isOnline(frozen!), 250);
    expect(asleep.isOpen).toBe(true);
    expect((await replaced.closed).code).toBe(4001);
    expect(newer.isOpen).toBe(true);
    expect(await fleet.events(frozen!)).toEqual(['site.online', 'site.offline', 'site.online']);
    expect(await fleet.events(elsewhere!)).toEqual(['site.online', 'site.offline', 'site.online']);
    await asleep.close();
    await until(async () => !(await fleet.isOnline(frozen!)));
    expect(back.isOpen).toBe(true);
    await Promise.all([back.close(), newer.close()]);
    await stopped.stop();
    await killed.stop();
  });

  it('and starts again, puts what its earlier life left behind offline at once', async () => {
    const first = await startServer({ databaseUrl: a.databaseUrl });
    const device = await fleet.device();
    await fleet.connect(device, first);
    await until(
      async () =>
        (await fleet.sql('SELECT 1 FROM server WHERE instance IS NOT NULL AND instance LIKE $1', [`%:${first.port}:%`]))
          .length,
    );
    await first.kill();
    // So that nobody can take it for a lease that has run out.
    await fleet.sql(`UPDATE server SET renewed_at = now() + interval '1 day' WHERE instance LIKE $1`, [
      `%:${first.port}:%`,
    ]);
    const again = await startServer({ databaseUrl: a.databaseUrl, port: first.port, dataDir: first.dataDir });
    await until(async () => !(await fleet.isOnline(device)));
    expect(await fleet.events(device)).toEqual(['site.online', 'site.offline']);
    await again.stop();
    await first.stop();
  });
});
