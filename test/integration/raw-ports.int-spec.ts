import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestOrg } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;

beforeAll(async () => {
  app = await openTestApp({ RAW_PORTS: '20000-20002,30000' });
  org = await TestOrg.create(app.root);
});
afterAll(() => app?.close());

interface Made {
  resourceId: number;
}
interface Read extends Made {
  portError: string | null;
  proxyPort: number;
}
const body = (proxyPort: number, protocol = 'tcp') => ({ name: 'raw', http: false, protocol, proxyPort });
const make = (of: TestOrg, proxyPort: number) => app.root.expect<Made>('PUT', of.path('resource'), body(proxyPort));
const portError = async ({ resourceId }: Made) =>
  (await app.root.expect<Read>('GET', `/resource/${resourceId}`)).portError;

describe('ports of raw resources', () => {
  it('are those of RAW_PORTS', async () => {
    for (const port of [19_999, 20_003, 29_999, 30_001, 80]) {
      const refused = await app.root.send('PUT', org.path('resource'), body(port));
      expect([refused.status, refused.body.message]).toEqual([
        400,
        'Validation error: is not among RAW_PORTS of the server (20000-20002, 30000) at "proxyPort"',
      ]);
    }
    const made = await make(org, 30_000);
    const path = `/resource/${made.resourceId}`;
    expect((await app.root.send('POST', path, { proxyPort: 30_001 })).status).toBe(400);
    expect((await app.root.send('POST', path, { proxyPort: 20_002 })).status).toBe(200);
    expect((await app.root.send('PUT', org.path('resource'), body(20_002))).status).toBe(409);
    expect((await app.root.send('PUT', org.path('resource'), body(20_002, 'udp'))).status).toBe(201);
  });

  it('are so in blueprints', async () => {
    const applied = (port: number) =>
      app.root.send('PUT', org.path('blueprint'), {
        blueprint: Buffer.from(
          JSON.stringify({ 'public-resources': { b: { name: 'B', mode: 'tcp', 'proxy-port': port } } }),
        ).toString('base64'),
      });
    const refused = await applied(20_003);
    expect(refused.status).toBe(400);
    expect(JSON.stringify(refused.body)).toMatch('is not among RAW_PORTS of the server');
    expect((await applied(20_001)).status).toBeLessThan(300);
  });

  it('stay what they are when RAW_PORTS changes, and say that nobody serves them', async () => {
    const made = await make(org, 20_000);
    await app.sql('UPDATE resource SET proxy_port = 4000 WHERE resource_id = $1', [made.resourceId]);
    expect(await portError(made)).toBe('tcp port 4000 is not among RAW_PORTS of the server (20000-20002, 30000)');
    const path = `/resource/${made.resourceId}`;
    expect((await app.root.send('POST', path, { proxyPort: 4000, name: 'same' })).status).toBe(200);
    const { checks } = await app.root.expect<{ checks: { check: string; state: string }[] }>(
      'GET',
      `${path}/diagnosis`,
    );
    expect(checks.find(({ check }) => check === 'domain')!.state).toBe('failed');
    expect((await app.root.send('POST', path, { proxyPort: 20_000 })).status).toBe(200);
    expect(await portError(made)).toBeNull();
    await app.root.expect('DELETE', path);
  });

  it('have nothing told of the one before', async () => {
    const made = await make(org, 20_000);
    const told = 'tcp port 20000 is in use by another program';
    await app.sql('INSERT INTO raw_port_error (resource_id, server_id, error) SELECT $1, server_id, $2 FROM server', [
      made.resourceId,
      told,
    ]);
    expect(await portError(made)).toContain(told);
    await app.root.expect('POST', `/resource/${made.resourceId}`, { proxyPort: 30_000 });
    expect(await portError(made)).toBeNull();
    await app.root.expect('DELETE', `/resource/${made.resourceId}`);
  });

  it('belong to the organization that came first, until it gives them up', async () => {
    const [one, two] = [await TestOrg.create(app.root), await TestOrg.create(app.root)];
    const older = await make(two, 20_001);
    const first = await make(one, 20_000);
    const second = await make(two, 20_000);
    const taken = 'tcp port 20000 was taken by another resource before';
    expect([await portError(first), await portError(second)]).toEqual([null, taken]);
    // An older resource that moves to the port comes last.
    await app.root.expect('DELETE', `/resource/${second.resourceId}`);
    await app.root.expect('POST', `/resource/${older.resourceId}`, { proxyPort: 20_000 });
    expect([await portError(first), await portError(older)]).toEqual([null, taken]);
    await app.root.expect('POST', `/resource/${first.resourceId}`, { enabled: false });
    expect(await portError(older)).toBe(taken);
    await app.root.expect('DELETE', `/resource/${first.resourceId}`);
    expect(await portError(older)).toBeNull();
  });
});

it('without RAW_PORTS there are none', async () => {
  const without = await openTestApp({ RAW_PORTS: '' });
  const its = await TestOrg.create(without.root);
  const refused = await without.root.send('PUT', its.path('resource'), body(20_000));
  expect(refused.body.message).toBe(
    'Validation error: cannot be served: RAW_PORTS of the server names no ports for raw resources at "proxyPort"',
  );
  await without.close();
});
