import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApp, type TestApp } from '../support/test-app.js';

// The same text is the same instant on every server (docs/integration-api.md §1.11).

const zone = process.env['TZ'];
let app: TestApp;
let keyPath: string;
beforeAll(async () => {
  process.env['TZ'] = 'America/New_York';
  app = await openTestApp();
  await app.makeOrg('acme');
  const { siteProvisioningKeyId } = await makeKey({});
  keyPath = `/org/acme/site-provisioning-key/${siteProvisioningKeyId}`;
});
afterAll(async () => {
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
  await app?.close();
});

const makeKey = (body: object) =>
  app.root.expect<{ siteProvisioningKeyId: string; validUntil: string | null }>(
    'PUT',
    '/org/acme/site-provisioning-key',
    { name: 'k', maxBatchSize: 1, ...body },
  );

const SAME: [text: string, instant: string][] = [
  ['2099-01-01T00:00:00', '2099-01-01T00:00:00.000Z'],
  ['2099-01-01', '2099-01-01T00:00:00.000Z'],
  ['2099-01-01T00:00:00Z', '2099-01-01T00:00:00.000Z'],
  ['2099-01-01T02:30:00+02:30', '2099-01-01T00:00:00.000Z'],
];
const NONE = ['01.02.2099', '2099-02-30', '2099-W01-1', '2099001', 'Jan 1 2099', '4070908800000', 'tomorrow'];

describe('a server in New York', () => {
  it('knows another zone than UTC', () => expect(new Date(2099, 0, 1).getUTCHours()).toBe(5));

  it.each(SAME)('takes %s as validUntil for %s', async (validUntil, instant) => {
    expect((await makeKey({ validUntil })).validUntil).toBe(instant);
    expect(await app.root.expect('PATCH', keyPath, { validUntil })).toMatchObject({ validUntil: instant });
  });

  it.each(NONE)('refuses %s, naming the field', async (text) => {
    const query = (name: string, path: string) => app.root.get(`${path}?${name}=${encodeURIComponent(text)}`);
    const calls: [string, Promise<unknown>][] = [
      ['validUntil', app.root.put('/org/acme/site-provisioning-key', { name: 'k', maxBatchSize: 1, validUntil: text })],
      ['validUntil', app.root.patch(keyPath, { validUntil: text })],
      ...['/org/acme/audit', '/org/acme/claims', '/audit', '/claims'].flatMap((path): [string, Promise<unknown>][] =>
        ['from', 'to'].map((name) => [name, query(name, path)]),
      ),
    ];
    for (const [path, reply] of calls)
      expect(await reply).toMatchObject({
        status: 400,
        body: {
          fields: [{ path, problem: expect.stringContaining(`${path} must be an instant in ISO 8601`) as unknown }],
        },
      });
  });

  it('clears a key of its end with null and with nothing', async () => {
    for (const validUntil of ['', null])
      expect(await app.root.expect('PATCH', keyPath, { validUntil })).toMatchObject({ validUntil: null });
  });

  it.each(SAME)('filters from and to %s', async (text) => {
    await app.sql(
      `INSERT INTO audit (org_id, org_uid, actor_type, action, result, created_at)
       SELECT org_id, org_uid, 'system', 'test.' || n, 'success', timestamptz '2099-01-01T00:00:00Z' + n * interval '1 minute'
       FROM org, generate_series(-1, 0) n WHERE org_id = 'acme'`,
    );
    const actions = async (query: string) =>
      (
        await app.root.expect<{ audit: { action: string }[] }>('GET', `/org/acme/audit?actorType=system&${query}`)
      ).audit.map(({ action }) => action);
    expect(new Set(await actions(`from=${encodeURIComponent(text)}`))).toEqual(new Set(['test.0']));
    expect(await actions(`to=${encodeURIComponent(text)}&action=test.0`)).toEqual([]);
    expect(await actions(`to=${encodeURIComponent(text)}&action=test.-1`)).not.toEqual([]);
  });
});
