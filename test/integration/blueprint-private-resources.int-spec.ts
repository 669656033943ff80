import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blueprintCalls, domainOf, type Site } from '../support/blueprint-calls.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
const { org, site, send, apply, planOf, rows, privates, history } = blueprintCalls(() => app);

describe('private resources', () => {
  const db = (more: object = {}, key = 'db') => ({
    [key]: { name: 'DB', mode: 'host', destination: '10.0.0.9', ...more },
  });
  const document = (...entries: object[]) => ({ 'private-resources': Object.assign({}, ...entries) as object });
  interface Read {
    siteResourceId: number;
    siteIds: number[];
    drift: { field: string }[];
  }
  const read = async (orgId: string, key = 'db') => {
    const [row] = await app.sql<{ id: number; version: number }>(
      'SELECT site_resource_id AS id, version FROM site_resource WHERE org_id = $1 AND nice_id = $2',
      [orgId, key],
    );
    return { ...(await app.root.expect<Read>('GET', `/site-resource/${row!.id}`)), version: row!.version };
  };

  it('get the lowest free alias addresses when the end of the utility subnet is reached, and none as ranges', async () => {
    const orgId = await org();
    const s = await site(orgId);
    expect(await send(orgId, s, 'file', document(db({}, 'top')))).toMatchObject({ ok: true });
    await app.sql(`UPDATE site_resource SET alias_address = '100.96.143.255' WHERE org_id = $1`, [orgId]);
    expect(
      await send(
        orgId,
        s,
        'file',
        document(db({}, 'top'), db({}, 'a'), db({}, 'b'), db({ mode: 'cidr', destination: '10.0.0.0/24' }, 'c')),
      ),
    ).toMatchObject({ ok: true });
    expect((await privates(orgId)).map((p) => [p.key, p.address])).toEqual([
      ['a', '100.96.128.8'],
      ['b', '100.96.128.9'],
      ['c', null],
      ['top', '100.96.143.255'],
    ]);
    expect(
      await send(
        orgId,
        s,
        'file',
        document(db({ mode: 'cidr', destination: '10.0.0.0/24' }, 'top'), db({}, 'a'), db({}, 'b'), db({}, 'c')),
      ),
    ).toMatchObject({ ok: true });
    expect((await privates(orgId)).map((p) => [p.key, p.address === null])).toEqual([
      ['a', false],
      ['b', false],
      ['c', false],
      ['top', true],
    ]);
  });

  it('have their sites in the order of the document', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const put = async (...sites: Site[]) =>
      (await apply(orgId, JSON.stringify(document(db({ sites: sites.map((s) => s.niceId) }))))).status;
    expect(await put(two, one)).toBe(201);
    const before = await read(orgId);
    expect(before.siteIds).toEqual([two.siteId, one.siteId]);
    expect(await put(two, one)).toBe(201);
    expect((await read(orgId)).version).toBe(before.version);
    expect(await put(one, two)).toBe(201);
    const after = await read(orgId);
    expect(after.siteIds).toEqual([one.siteId, two.siteId]);
    expect(after.version).toBeGreaterThan(before.version);
  });

  it.each(['100.90.128.5', '100.96.128.9'])(
    'do not lead to %s, which is an address of the organization itself',
    async (destination) => {
      const orgId = await org();
      const s = await site(orgId);
      const message = expect.stringContaining('own subnets');
      expect(await send(orgId, s, 'file', document(db({ destination })))).toMatchObject({
        ok: false,
        problems: [{ path: 'private-resources.db.destination', message }],
      });
      expect(
        await send(orgId, s, 'file', document(db({ mode: 'cidr', destination: `${destination}/32` }))),
      ).toMatchObject({ ok: false, problems: [{ message }] });
      expect(await send(orgId, s, 'file', document(db()))).toMatchObject({ ok: true });
    },
  );

  it('call a changed field as the API does, in a read and in a plan', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const file = document(db({ 'tcp-ports': '22', 'disable-icmp': true }));
    await send(orgId, s, 'file', file);
    const { siteResourceId } = await read(orgId);
    await app.root.expect('POST', `/site-resource/${siteResourceId}`, { tcpPortRangeString: '80', disableIcmp: false });
    const drift = [
      { field: 'disableIcmp', file: true, current: false },
      { field: 'tcpPortRangeString', file: '22', current: '80' },
    ];
    const byField = (a: { field: string }, b: { field: string }) => (a.field < b.field ? -1 : 1);
    expect((await read(orgId)).drift.sort(byField)).toEqual(drift);
    const plan = await planOf(orgId, s, 'file', file);
    expect(plan.drift.sort(byField)).toEqual(drift.map((d) => ({ type: 'private-resource', key: 'db', ...d })));
    expect(plan.changes).toEqual([
      { action: 'update', type: 'private-resource', key: 'db', fields: ['tcpPortRangeString', 'disableIcmp'] },
    ]);
  });

  it('keep their alias, and public ones their name and port, when only their key changes', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const all = (suffix: string) => ({
      ...document(db({ destination: 'pg', alias: 'db.internal' }, `db${suffix}`), {
        [`app${suffix}`]: { name: 'App', mode: 'http', destination: 'app', 'full-domain': domainOf(orgId, 'app') },
      }),
      'public-resources': {
        [`web${suffix}`]: { name: 'Web', mode: 'http', 'full-domain': domainOf(orgId, 'web') },
        [`raw${suffix}`]: { name: 'Raw', mode: 'tcp', 'proxy-port': 4000 },
      },
    });
    expect(await send(orgId, s, 'file', all('-1'))).toMatchObject({ ok: true });
    expect(await send(orgId, s, 'file', all('-2'))).toMatchObject({ ok: true });
    expect((await rows(orgId)).map((r) => r.key)).toEqual(['raw-2', 'web-2']);
    expect((await privates(orgId)).map((p) => [p.key, p.alias])).toEqual([
      ['app-2', null],
      ['db-2', 'db.internal'],
    ]);
  });

  it('say which name another resource has', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const of = (key: string) => ({
      ...document(db({ destination: 'pg', alias: 'DB.internal' }, key), {
        [`app-${key}`]: { name: 'App', mode: 'http', destination: 'app', 'full-domain': domainOf(orgId, 'app') },
      }),
      'public-resources': { [`raw-${key}`]: { name: 'Raw', mode: 'udp', 'proxy-port': 4000 } },
    });
    expect(await send(orgId, one, 'file', of('x'))).toMatchObject({ ok: true });
    const refused = await send(orgId, two, 'file', of('y'));
    expect([refused.ok, refused.problems.map((p) => p.path)]).toEqual([
      false,
      ['public-resources.raw-y.proxy-port', 'private-resources.y.alias', 'private-resources.app-y.full-domain'],
    ]);
  });

  it('are no longer changed when the file takes over what somebody changed', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await send(orgId, s, 'file', document(db()));
    const { siteResourceId } = await read(orgId);
    await app.root.expect('POST', `/site-resource/${siteResourceId}`, { name: 'Store' });
    expect((await read(orgId)).drift).toHaveLength(1);
    await send(orgId, s, 'file', document(db({ name: 'Store' })));
    expect((await read(orgId)).drift).toEqual([]);
    expect(await history(orgId)).toEqual(['NEWT true']);
  });
});
