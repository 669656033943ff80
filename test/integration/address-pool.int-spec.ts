import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AddressPoolService } from '../../src/orgs/index.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
let pool: AddressPoolService;
beforeAll(async () => {
  app = await openTestApp();
  pool = app.get(AddressPoolService);
});
afterAll(() => app?.close());

let serial = 0;
async function org(subnet: string): Promise<string> {
  const orgId = `pool${serial++}`;
  await app.makeOrg(orgId, subnet);
  return orgId;
}

/** Without the limit on waiting for locks: dozens of callers of a few runs wait for long on a busy machine. */
const patiently = <T>(work: Parameters<typeof app.db.tx<T>>[0]) =>
  app.db.tx(async (tx) => {
    await tx.query('SET LOCAL lock_timeout = 0');
    return work(tx);
  });
const allocate = (orgId: string, count: number) => patiently((tx) => pool.allocate(tx, orgId, count));
const release = (orgId: string, addresses: string[]) => patiently((tx) => pool.release(tx, orgId, addresses));
const freeOf = async (orgId: string) =>
  (await pool.listRanges(operator, orgId, {})).addressRanges.reduce((sum, r) => sum + r.free + r.reserved, 0);
const runsOf = (orgId: string) =>
  app.sql<{ next: string; last: string }>(
    'SELECT host(next) AS next, host(last) AS last FROM address_run WHERE org_id = $1 ORDER BY last',
    [orgId],
  );
const times = <T>(n: number, work: (i: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, i) => work(i)));

/** Fails a transaction on purpose after its work was done. */
class Undone extends Error {}
async function undone(work: Parameters<typeof app.db.tx>[0]): Promise<void> {
  await patiently(async (tx) => {
    await work(tx);
    throw new Undone();
  }).catch((error: unknown) => {
    if (!(error instanceof Undone)) throw error;
  });
}

describe('address pool', () => {
  it('starts at the network address, with the prefix length of its range', async () => {
    const orgId = await org('100.90.128.0/17');
    expect(await allocate(orgId, 3)).toEqual(['100.90.128.0/17', '100.90.128.1/17', '100.90.128.2/17']);
    expect(await allocate(orgId, 1)).toEqual(['100.90.128.3/17']);
    expect(await runsOf(orgId)).toHaveLength(32);
  });

  it('answers what there is and nothing twice, over the ends of runs', async () => {
    const orgId = await org('10.1.0.0/25');
    const got = [...(await allocate(orgId, 5)), ...(await allocate(orgId, 200))];
    expect(got).toEqual(Array.from({ length: 128 }, (_, i) => `10.1.0.${i}/25`));
    expect(await allocate(orgId, 1)).toEqual([]);
    expect(await runsOf(orgId)).toEqual([]);
  });

  it('64 callers at once, a third of them rolled back, exhaust it exactly', async () => {
    const orgId = await org('10.2.0.0/24');
    const got: string[] = [];
    await times(64, async (caller) => {
      for (let i = 0; i < 8; i++) {
        if ((caller + i) % 3 === 0) await undone((tx) => pool.allocate(tx, orgId, 1));
        else got.push(...(await allocate(orgId, 1)));
      }
    });
    expect(new Set(got).size).toBe(got.length);
    // 64 × 8 tries of which a third undo themselves ask for more than 256.
    expect(got).toHaveLength(256);
    expect(await freeOf(orgId)).toBe(0);
  });

  it('the last addresses go to exactly as many callers as there are, whoever waits', async () => {
    const orgId = await org('10.3.0.0/27');
    await allocate(orgId, 22);
    const results = await times(64, () => allocate(orgId, 1));
    expect(results.flat()).toHaveLength(10);
    expect(new Set(results.flat()).size).toBe(10);
  });

  it('a caller that rolls back leaves the last address to the one that waits for it', async () => {
    const orgId = await org('10.4.0.0/32');
    let waiting: Promise<string[]> | undefined;
    await undone(async (tx) => {
      expect(await pool.allocate(tx, orgId, 1)).toEqual(['10.4.0.0/32']);
      waiting = allocate(orgId, 1);
      const blocked = () =>
        app.sql(
          `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%take_addresses%'`,
        );
      while ((await blocked()).length === 0) await new Promise((done) => setImmediate(done));
    });
    expect(await waiting).toEqual(['10.4.0.0/32']);
  });

  it('released addresses come back and join their neighbours', async () => {
    const orgId = await org('10.5.0.0/29');
    const all = await allocate(orgId, 8);
    for (const i of [3, 5, 4, 0, 7, 1, 6, 2]) await release(orgId, [all[i]!]);
    expect(await runsOf(orgId)).toEqual([{ next: '10.5.0.0', last: '10.5.0.7' }]);
    expect(await allocate(orgId, 8)).toEqual(all);
  });

  it('releases and allocations at once lose nothing and give nothing twice', async () => {
    const orgId = await org('10.6.0.0/24');
    const held = new Set<string>();
    await times(32, async () => {
      for (let i = 0; i < 10; i++) {
        const got = await allocate(orgId, 1 + (i % 3));
        for (const address of got) {
          expect(held.has(address)).toBe(false);
          held.add(address);
        }
        const back = got.slice(i % 2);
        for (const address of back) held.delete(address);
        await release(orgId, back);
      }
    });
    expect(await freeOf(orgId)).toBe(256 - held.size);
    expect((await allocate(orgId, 1000)).length).toBe(256 - held.size);
  });

  it('takes a given address out of the middle of a run, once', async () => {
    const orgId = await org('10.7.0.0/30');
    const take = (ip: string) => app.db.tx((tx) => pool.take(tx, orgId, ip));
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => take('10.7.0.2')));
    expect(results.filter((r) => r.status === 'fulfilled')).toEqual([{ status: 'fulfilled', value: '10.7.0.2/30' }]);
    await expect(take('10.7.0.2')).rejects.toMatchObject({ code: 'conflict' });
    await expect(take('10.7.0.4')).rejects.toMatchObject({ code: 'validation' });
    await expect(take('10.7.0')).rejects.toMatchObject({ code: 'validation' });
    expect(await take('10.7.0.0')).toBe('10.7.0.0/30');
    expect(await allocate(orgId, 4)).toEqual(['10.7.0.1/30', '10.7.0.3/30']);
  });

  it('all addresses of one run taken by name at once are all given', async () => {
    const orgId = await org('10.8.0.0/26');
    await undone((tx) => pool.allocate(tx, orgId, 64));
    const got = await times(64, (i) => patiently((tx) => pool.take(tx, orgId, `10.8.0.${(i * 37) % 64}`)));
    expect(new Set(got).size).toBe(64);
    expect(await freeOf(orgId)).toBe(0);
  });
});

describe('reservations', () => {
  const reserve = (orgId: string) => app.db.tx((tx) => pool.reserve(tx, orgId));
  const live = async (orgId: string) =>
    (
      await app.sql<{ address: string }>('SELECT host(address) AS address FROM address_reservation WHERE org_id = $1', [
        orgId,
      ])
    ).map((r) => r.address);

  it('two callers are shown two addresses, and what was shown can be taken', async () => {
    const orgId = await org('10.20.0.0/24');
    const [a, b] = await Promise.all([reserve(orgId), reserve(orgId)]);
    expect(new Set([a.address, b.address])).toEqual(new Set(['10.20.0.0', '10.20.0.1']));
    expect(a.newtId).toMatch(/^[a-z0-9]{15}$/);
    expect(await allocate(orgId, 1)).toEqual(['10.20.0.2/24']);
    expect(await app.db.tx((tx) => pool.take(tx, orgId, a.address))).toBe(`${a.address}/24`);
    expect(await live(orgId)).toEqual([b.address]);
  });

  it('never keep a claim from an address: the oldest is taken when nothing else is free', async () => {
    const orgId = await org('10.21.0.0/30');
    const shown = [await reserve(orgId), await reserve(orgId)];
    expect(await allocate(orgId, 3)).toEqual(['10.21.0.2/30', '10.21.0.3/30', `${shown[0]!.address}/30`]);
    expect(await allocate(orgId, 2)).toEqual([`${shown[1]!.address}/30`]);
    await expect(reserve(orgId)).rejects.toMatchObject({ code: 'capacity', status: 503 });
  });

  it('at most 100 live ones, however many ask at once; the oldest is replaced', async () => {
    const orgId = await org('10.22.0.0/22');
    const [first] = [await reserve(orgId)];
    const shown = await times(130, () => reserve(orgId));
    expect(await live(orgId)).toHaveLength(100);
    expect(new Set([first, ...shown].map((s) => s!.newtId)).size).toBe(131);
    expect(await freeOf(orgId)).toBe(1024);
    const latest = shown.at(-1)!;
    const [row] = await app.sql<{ n: number }>(
      'SELECT count(*) AS n FROM address_reservation WHERE org_id = $1 AND newt_id = $2',
      [orgId, first!.newtId],
    );
    expect(row!.n).toBe(0);
    expect(latest.address).toMatch(/^10\.22\.0\.\d+$/);
  });

  it('go back to the pool once they ran out', async () => {
    const orgId = await org('10.23.0.0/30');
    await reserve(orgId);
    await app.sql(`UPDATE address_reservation SET expires_at = now() - interval '1 second' WHERE org_id = $1`, [orgId]);
    expect((await reserve(orgId)).address).toBe('10.23.0.0');
    expect(await live(orgId)).toHaveLength(1);
    expect(await allocate(orgId, 3)).toHaveLength(3);
  });
});

describe('ranges', () => {
  it('can be added, are used after the first, and go only while unused', async () => {
    const orgId = await org('10.30.0.0/31');
    const added = await pool.createRange(operator, orgId, { cidr: '10.31.0.0/30' });
    expect(added).toEqual({ rangeId: added.rangeId, cidr: '10.31.0.0/30', size: 4, free: 4, reserved: 0 });
    const got = await allocate(orgId, 3);
    expect(got).toEqual(['10.30.0.0/31', '10.30.0.1/31', '10.31.0.0/30']);
    await expect(pool.deleteRange(operator, orgId, added.rangeId)).rejects.toMatchObject({ code: 'conflict' });
    expect(await freeOf(orgId)).toBe(3);
    await release(orgId, [got[2]!]);
    await pool.deleteRange(operator, orgId, added.rangeId);
    expect(await allocate(orgId, 1)).toEqual([]);
    await expect(pool.deleteRange(operator, orgId, added.rangeId)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('never overlap, also when they are added at once', async () => {
    const orgId = await org('10.40.0.0/24');
    const results = await Promise.allSettled(
      ['10.41.0.0/16', '10.41.3.0/24', '10.41.0.0/16', '10.40.0.128/25'].map((cidr) =>
        pool.createRange(operator, orgId, { cidr }),
      ),
    );
    expect(results.filter((r) => r.status === 'fulfilled')).toHaveLength(1);
    await expect(pool.createRange(operator, orgId, { cidr: '100.96.128.0/24' })).rejects.toMatchObject({
      code: 'conflict',
    });
  });
});
