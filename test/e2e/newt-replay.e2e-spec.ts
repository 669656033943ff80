import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Api, TestOrg } from '../support/api.js';
import { NEWT_FAMILIES, type NewtFamily, type NewtHttpCall, type NewtMessage } from '../support/clients/newts.js';
import { startServer, type TestServer, until } from '../support/server.js';

// What unmodified newts send, version family by version family, in their order, and what they read (test/support/clients/newts.ts).
let server: TestServer;
let org: TestOrg;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.stop());

type Values = Record<string, string>;
type Received = { type: string; data: Record<string, unknown>; configVersion?: unknown };

const filled = <T>(value: T, values: Values): T =>
  JSON.parse(
    Object.entries(values).reduce((text, [name, is]) => text.replaceAll(`{${name}}`, is), JSON.stringify(value)),
  ) as T;

async function call(
  { method, path, headers, body, status, reads, keeps }: NewtHttpCall,
  values: Values,
): Promise<void> {
  const response = await fetch(server.url + path, { method, headers, body: JSON.stringify(filled(body, values)) });
  const answer = (await response.json()) as { success: boolean; data: Record<string, unknown> };
  expect(status === undefined ? response.ok : response.status === status, `${path}: ${response.status}`).toBe(true);
  expect(answer.success).toBe(true);
  for (const field of reads) expect(answer.data[field], `${path}: ${field}`).toEqual(expect.stringMatching(/./));
  for (const [name, field] of Object.entries(keeps)) values[name] = String(answer.data[field]);
}

const isOf = (value: unknown, kind: string) => {
  if (kind.endsWith('?') && (value === undefined || value === null)) return true;
  const wanted = kind.replace('?', '');
  if (wanted === 'list') return Array.isArray(value);
  return wanted === 'integer' ? Number.isInteger(value) : typeof value === wanted;
};

/** The site that the newt has, or will have, with a health check on it. */
async function prepared(family: NewtFamily): Promise<Values> {
  org = await TestOrg.create(Api.root(server));
  const values: Values = {
    provisioningKey: (await org.key()).siteProvisioningKey,
    niceId: 'from-a-label',
    targetId: '0',
  };
  if (family.http.some(({ keeps }) => 'newtId' in keeps)) return values;
  const site = await org.root.expect<{ siteId: number; newtId: string; secret: string }>('PUT', org.path('site'), {
    name: 'Replay',
    type: 'newt',
  });
  return { ...values, newtId: site.newtId, secret: site.secret };
}

async function withCheck(values: Values): Promise<void> {
  const { sites } = await org.sites();
  const { resourceId } = await org.root.expect<{ resourceId: number }>('PUT', org.path('resource'), {
    name: 'Wire',
    http: false,
    protocol: 'tcp',
    proxyPort: 9000,
  });
  const body = { siteId: sites[0]!.siteId, ip: '10.0.0.9', port: 80, hcEnabled: true, hcPath: '/' };
  const { targetId } = await org.root.expect<{ targetId: number }>('PUT', `/resource/${resourceId}/target`, body);
  values['targetId'] = String(targetId);
}

async function open(values: Values): Promise<{ ws: WebSocket; received: Received[] }> {
  const ws = new WebSocket(`${server.wsUrl}?clientType=newt&token=${encodeURIComponent(values['token']!)}`, {
    perMessageDeflate: false,
  });
  const received: Received[] = [];
  ws.on('message', (frame, isBinary) => {
    // Newts before 1.10.3 read text alone.
    expect(isBinary).toBe(false);
    received.push(JSON.parse(frame.toString()) as Received);
  });
  await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
  return { ws, received };
}

it.each(NEWT_FAMILIES.map((family) => [family.versions, family] as const))(
  'newts of %s are served',
  async (_versions, family) => {
    const values = await prepared(family);
    for (const one of family.http) await call(one, values);
    await withCheck(values);
    const { ws, received } = await open(values);
    const chains = new Set<unknown>();
    const said = (type: string) => received.find((message) => message.type === type);
    for (const message of family.sends.map((one): NewtMessage => filled(one, values))) {
      // It tells of what it was told to check, and of its containers when it is asked.
      if (message.type === 'newt/healthcheck/status') await until(async () => said('newt/healthcheck/add'));
      if (message.type === 'newt/socket/containers') await until(async () => said('newt/socket/fetch'));
      chains.add(message.data['chainId']);
      ws.send(JSON.stringify(message));
    }
    for (const [type, fields] of Object.entries(family.answers)) {
      const { data } = await until(async () => said(type));
      for (const [field, kind] of Object.entries(fields))
        expect(isOf(data[field], kind), `${type}: ${field} is ${JSON.stringify(data[field])}`).toBe(true);
    }
    if (family.sends.some(({ type }) => type === 'newt/blueprint/apply'))
      expect(said('newt/blueprint/results')!.data).toMatchObject({ success: true });
    if (family.sends.some(({ type }) => type === 'newt/healthcheck/status'))
      await until(
        async () =>
          (await org.root.expect<{ hcHealth: string }>('GET', `/target/${values['targetId']}`)).hcHealth === 'healthy',
      );
    if (family.sends.some(({ type }) => type === 'newt/socket/containers'))
      await until(async () => {
        const { siteResources } = await org.root.expect<{ siteResources: { niceId: string }[] }>(
          'GET',
          org.path('site-resources'),
        );
        return siteResources.some(({ niceId }) => niceId === 'from-a-label');
      });
    // An answer with another chain id is none; nothing was misunderstood; nothing may be connected to without an exit node.
    for (const { type, data, configVersion } of received) {
      if (data['chainId'] !== undefined) expect(chains).toContain(data['chainId']);
      if (family.readsConfigVersion) expect(configVersion, type).toBeGreaterThanOrEqual(1);
      expect(['error', 'newt/wg/connect']).not.toContain(type);
    }
    expect(ws.readyState).toBe(WebSocket.OPEN);
    ws.close(1000);
  },
);
