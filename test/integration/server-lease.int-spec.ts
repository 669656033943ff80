import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AgentTunnel } from '#contracts';
import { execute, PgNotifications, VERSION } from '#platform';
import { ServerLease } from '../../src/cluster/index.js';
import { ServersRepository } from '../../src/cluster/servers.repository.js';
import { deviceToken, newHardwareId, provision, TestOrg } from '../support/api.js';
import { startApp } from '../support/app.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

interface Row {
  instance: string | null;
  version: string | null;
  address: string | null;
  left: number;
}
const rowOf = async (serverId: string): Promise<Row | undefined> => {
  const [row] = await app.sql<Row>(
    `SELECT instance, version, address, extract(epoch FROM lease_expires_at - now())::float8 AS "left" FROM server WHERE server_id = $1`,
    [serverId],
  );
  return row;
};
const own = () => app.get(ServerLease).serverId;
/** When a server renewed, and when its lease ends, in seconds from now; 0.1.0 writes no end. */
async function insert(em: EntityManager, renewed: number, ends: number | null, instance?: string): Promise<string> {
  const id = randomUUID();
  await execute(
    em,
    `INSERT INTO server (server_id, instance, renewed_at, lease_expires_at)
     VALUES ($1, $2, now() + make_interval(secs => $3), now() + make_interval(secs => $4))`,
    [id, instance ?? null, renewed, ends],
  );
  return id;
}

describe('the row of a server', () => {
  it('says what it is and where it is reached, and its lease is renewed', async () => {
    const { port } = new URL(await app.nest.getUrl());
    const row = await until(async () => {
      const found = await rowOf(own());
      return found?.instance ? found : undefined;
    });
    expect(row).toMatchObject({ version: VERSION, address: `127.0.0.1:${port}` });
    expect(row.left).toBeGreaterThan(0);
    const [before] = await app.sql<{ at: Date }>('SELECT renewed_at AS at FROM server WHERE server_id = $1', [own()]);
    await until(async () => {
      const [now] = await app.sql<{ at: Date }>('SELECT renewed_at AS at FROM server WHERE server_id = $1', [own()]);
      return now!.at > before!.at;
    });
  });

  it('says which roles it has; a process without agents takes no sessions', async () => {
    const roles = (id: string) => app.sql('SELECT roles FROM server WHERE server_id = $1', [id]);
    expect(await roles(own())).toEqual([{ roles: ['agents', 'jobs', 'edge'] }]);
    const other = await startApp(app.database.url, { SERVER_ROLES: 'jobs' });
    expect(await roles(other.app.get(ServerLease).serverId)).toEqual([{ roles: ['jobs'] }]);
    const connecting = TestSession.connect(`${other.url.replace('http', 'ws')}/api/v1/ws`, 'no token is looked at');
    await expect(connecting).rejects.toMatchObject({ status: 503, body: { code: 'capacity' } });
    await other.close();
  });

  it('goes when the server stops, and what hung on it ends before', async () => {
    const other = await startApp(app.database.url);
    const lease = other.app.get(ServerLease);
    const ended: unknown[] = [];
    lease.onEnd(async (_tx, serverId, end) => {
      ended.push([serverId, end, (await rowOf(serverId)) !== undefined]);
      return ended.length === 2;
    });
    expect(await rowOf(lease.serverId)).toBeDefined();
    await other.close();
    expect(await rowOf(lease.serverId)).toBeUndefined();
    // Asked again until nothing is left.
    expect(ended).toEqual([
      [lease.serverId, 'stopped', true],
      [lease.serverId, 'stopped', true],
    ]);
  });

  it('stays when what hangs on it cannot end, for others to end it', async () => {
    const other = await startApp(app.database.url);
    const lease = other.app.get(ServerLease);
    lease.onEnd(() => Promise.reject(new Error('no')));
    await other.close();
    expect(await rowOf(lease.serverId)).toBeDefined();
    await app.sql('DELETE FROM server WHERE server_id = $1', [lease.serverId]);
  });
});

describe('a server that comes or goes', () => {
  it('is known to others by a notice, and to agents that open tunnels', async () => {
    const look = () => app.sql(`SELECT pg_notify('server_changed', '')`);
    await look();
    await until(() => app.get(ServerLease).agentUrls.length === 1);
    const notices: string[] = [];
    app.get(PgNotifications).on('server_changed', (serverId) => notices.push(serverId));
    const org = await TestOrg.create(app.root);
    const key = await org.key({ approveNewSites: true });
    const connect = async (capabilities: string[]) => {
      const claim = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId() };
      const { body } = await deviceToken(app.root.url, (await provision(app.root.url, claim)).body.api_key);
      const session = await TestSession.connect(`${app.root.url.replace('http', 'ws')}/api/v1/ws`, body.data.token);
      return { session, tunnel: (await session.hello({ capabilities })).welcome.data['tunnel'] as AgentTunnel };
    };
    const [{ session, tunnel }, without] = [await connect(['tunnel.h2']), await connect([])];
    expect([tunnel, without.tunnel]).toEqual([{ connections: 2, endpoints: [''] }, undefined]);
    const told = () =>
      session.received.flatMap(({ type, data }) => (type === 'agent/tunnel' ? [(data as AgentTunnel).endpoints] : []));
    const other = await startApp(app.database.url, { AGENT_URL: 'http://other.test' });
    const { serverId } = other.app.get(ServerLease);
    await until(() => told().length === 1);
    expect(new Set(told()[0])).toEqual(new Set(['', 'http://other.test']));
    await until(() => notices.includes(serverId));
    notices.splice(0);
    await other.close();
    await until(() => told().length === 2 && notices.includes(serverId));
    expect(told()[1]).toEqual(['']);
    // Another one at the place of the first is another process.
    const renamed = await app.db.tx(async (tx) => {
      const [from, to] = [await insert(tx, 0, 1_000), randomUUID()];
      await execute(tx, `UPDATE server SET roles = '{agents}', agent_url = '' WHERE server_id = $1`, [from]);
      return [from, to] as const;
    });
    await look();
    await until(() => told().length === 3);
    await app.sql('UPDATE server SET server_id = $2 WHERE server_id = $1', [...renamed]);
    await look();
    await until(() => told().length === 4);
    expect(told().slice(2)).toEqual([
      ['', ''],
      ['', ''],
    ]);
    expect(without.session.received.map(({ type }) => type)).not.toContain('agent/tunnel');
    await app.sql('DELETE FROM server WHERE server_id = $1', [renamed[1]]);
    await Promise.all([session.close(), without.session.close()]);
  });
});

describe('a lease', () => {
  it('has run out at its end, or for a server of 0.1.0 30 s after it was renewed', async () => {
    const repository = new ServersRepository();
    const renew = (tx: EntityManager, serverId: string) =>
      repository.renew(tx, { serverId, instance: null, address: null, hopAddress: '', load: 0 }, 'fingerprint');
    const undo = new Error('undo');
    // In a transaction that is rolled back, so that no server ends them meanwhile.
    const looked = app.db.tx(async (tx) => {
      const expired = await insert(tx, 0, -1);
      const current = await insert(tx, -60, 10);
      const old = await insert(tx, -31, null);
      const oldAndCurrent = await insert(tx, -5, null);
      expect(await renew(tx, expired)).toBe(false);
      expect(await renew(tx, old)).toBe(false);
      const dead = new Set<string>();
      for (;;) {
        const found = await repository.lockDead(tx, { serverId: own(), instance: null }, true);
        if (!found) break;
        dead.add(found.serverId);
        await repository.delete(tx, found.serverId);
      }
      expect(dead).toEqual(new Set([expired, old]));
      expect(await renew(tx, current)).toBe(true);
      expect(await renew(tx, oldAndCurrent)).toBe(true);
      throw undo;
    });
    await expect(looked).rejects.toBe(undo);
  });

  it('of an earlier life of the same place is ended at once, by its next one alone', async () => {
    const ended: string[] = [];
    app.get(ServerLease).onEnd((_tx, serverId, end) => {
      ended.push(`${serverId} ${end}`);
      return Promise.resolve(true);
    });
    const { instance } = (await until(async () => {
      const found = await rowOf(own());
      return found?.instance ? found : undefined;
    }))!;
    const earlier = await insert(app.db.manager, 0, 30, instance!);
    await until(async () => (await rowOf(earlier)) === undefined);
    expect(ended).toEqual([`${earlier} lost`]);
  });

  it('of another server that has run out is ended by any server that has kept its own for 30 s', async () => {
    const ended: string[] = [];
    app.get(ServerLease).onEnd((_tx, serverId, end) => {
      ended.push(`${serverId} ${end}`);
      return Promise.resolve(true);
    });
    const elsewhere = await insert(app.db.manager, 0, 0, 'another:place');
    await until(async () => (await rowOf(elsewhere)) === undefined);
    expect(ended).toEqual([`${elsewhere} lost`]);
  });

  it('that had run out is taken again, and what hangs on it is entered again', async () => {
    let regained = 0;
    app.get(ServerLease).onRegained(async () => void regained++);
    await app.sql('UPDATE server SET lease_expires_at = now() WHERE server_id = $1', [own()]);
    await until(() => regained === 1);
    expect((await rowOf(own()))!.left).toBeGreaterThan(0);
    // Others have ended it meanwhile.
    await app.sql('DELETE FROM server WHERE server_id = $1', [own()]);
    expect(await app.db.tx((tx) => app.get(ServerLease).hold(tx))).toBe(false);
    await until(() => regained === 2);
    expect(await app.db.tx((tx) => app.get(ServerLease).hold(tx))).toBe(true);
  });

  it('enters again until that works what hangs on it', async () => {
    let tried = 0;
    app.get(ServerLease).onRegained(async () => {
      if (++tried === 1) throw new Error('not now');
    });
    await app.sql('UPDATE server SET lease_expires_at = now() WHERE server_id = $1', [own()]);
    await until(() => tried === 2);
  });

  it('that others ended while this process stood still, right after a renewal, is noticed', async () => {
    let regained = 0;
    app.get(ServerLease).onRegained(async () => void regained++);
    const repository = app.get(ServersRepository);
    const renew = repository.renew.bind(repository);
    vi.spyOn(repository, 'renew').mockImplementationOnce(async (...args) => {
      const renewed = await renew(...args);
      await app.sql('DELETE FROM server WHERE server_id = $1', [own()]);
      return renewed;
    });
    await until(() => regained === 1);
  });
});
