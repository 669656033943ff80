import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EPOCH } from '#contracts';
import { Epoch } from '../../src/instances/index.js';
import { Api } from '../support/api.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
  await app.makeOrg('acme');
});
afterAll(() => app?.close());

interface Newt {
  siteId: number;
  newtId: string;
  secret: string;
}
const newt = () => app.root.expect<Newt>('PUT', '/org/acme/site', { name: 'edge', type: 'newt' });
const tokenOf = async ({ newtId, secret }: Newt) =>
  (await new Api(app.root.url).expect<{ token: string }>('POST', '/auth/newt/get-token', { newtId, secret })).token;
const basic = (text: string) =>
  new Api(app.root.url, undefined, { authorization: `Basic ${Buffer.from(text).toString('base64')}` });
const self = async (api: Api) => {
  const { status, body } = await api.get('/device/self');
  return status === 200 ? (body as unknown as { site_id: number }).site_id : `${status} ${body.code}`;
};

describe('a newt credential at the device API', () => {
  it('is its session token, or id and secret as Basic', async () => {
    const site = await newt();
    expect(await self(new Api(app.root.url, await tokenOf(site)))).toBe(site.siteId);
    expect(await self(basic(`${site.newtId}:${site.secret}`))).toBe(site.siteId);
    expect(await self(basic(`${site.newtId}:${site.secret}x`))).toBe('401 credential_unusable');
    expect(await self(basic(`nobody:${site.secret}`))).toBe('401 credential_unusable');
    expect(await self(basic(site.newtId))).toBe('401 unauthenticated');
  });

  it('is asked for anew when the token has run out, and not taken for refused', async () => {
    const token = await tokenOf(await newt());
    expect(await self(new Api(app.root.url, `${token.slice(0, -4)}AAAA`))).toBe('401 unauthenticated');
  });

  it('ends for a token, too, when it is revoked', async () => {
    const site = await newt();
    const token = await tokenOf(site);
    expect(await self(new Api(app.root.url, token))).toBe(site.siteId);
    await app.root.expect('POST', `/site/${site.siteId}/revoke`, {});
    await until(async () => (await self(new Api(app.root.url, token))) === '401 credential_unusable');
    expect(await self(basic(`${site.newtId}:${site.secret}`))).toBe('401 credential_unusable');
  });

  it('is needed itself for what a token in a query must not open: bundle, lease, renewal', async () => {
    const site = await newt();
    const [byToken, itself] = [new Api(app.root.url, await tokenOf(site)), basic(`${site.newtId}:${site.secret}`)];
    const lease = { nonce: 'A'.repeat(43), prev: null, ver: 0 };
    const ask: ((api: Api) => Promise<{ status: number }>)[] = [
      (api) => api.get('/device/bundle'),
      (api) => api.post('/device/bundle/ack', { version: 1, digest: 'A'.repeat(43), state: 'fetched' }),
      (api) => api.post('/device/lease', lease),
      (api) => api.post('/device/credential/renew', {}),
    ];
    for (const one of ask) expect((await one(byToken)).status).toBe(403);
    const open = await Promise.all(ask.map(async (one) => (await one(itself)).status));
    expect(open).not.toContain(403);
    expect(open).not.toContain(401);
  });

  it('opens nothing but what is for sites', async () => {
    const site = await newt();
    expect((await new Api(app.root.url, await tokenOf(site)).get('/org/acme/sites')).status).toBe(401);
    expect((await basic(`${site.newtId}:${site.secret}`).get('/org/acme/sites')).status).toBe(401);
  });
});

describe('the version of a desired state', () => {
  it('goes on after the database went back in time, and is the small number of before to a newt', async () => {
    const site = await newt();
    const connect = async () =>
      TestSession.connect(`${app.root.url.replace('http', 'ws')}/api/v1/ws`, await tokenOf(site));
    const hello = { protocol: 1, version: '1', capabilities: [], facts: {} };
    const before = await connect();
    before.send('agent/hello', hello);
    expect((await before.message('agent/state')).data['version']).toBe(1);
    await app.get(Epoch).raise(operator);
    const after = await connect();
    after.send('agent/hello', hello);
    const state = await after.message('agent/state');
    expect([state.data['version'], state.configVersion]).toEqual([EPOCH + 1, 1]);
    after.send('agent/applied', { version: EPOCH + 1, ok: true });
    await until(async () => {
      const [row] = await app.sql<{ v: number }>('SELECT applied_version AS v FROM agent_report WHERE site_id = $1', [
        site.siteId,
      ]);
      return row?.v === 1;
    });
    // What an agent applied before is older than anything now.
    after.received.length = 0;
    after.send('agent/heartbeat', { version: 7 });
    expect((await after.message('agent/state')).data['version']).toBe(EPOCH + 1);
    after.ws.close();
  });
});
