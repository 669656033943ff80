import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Api, newtToken, TestOrg } from '../support/api.js';
import { Newt, type NewtOptions } from '../support/newt.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { TestSession } from '../support/session.js';

// Unmodified newts, on two server processes of one database.
let a: TestServer;
let b: TestServer;
let org: TestOrg;
beforeAll(async () => {
  a = await startServer();
  b = await startServer({ databaseUrl: a.databaseUrl });
});
afterAll(async () => {
  await b?.stop();
  await a?.stop();
});
beforeEach(async () => {
  org = await TestOrg.create(Api.root(a));
});

const exchange = async () => Newt.provision(a.url, (await org.key()).siteProvisioningKey);
const documentOf = (...keys: string[]) =>
  JSON.stringify({
    'private-resources': Object.fromEntries(
      keys.map((key) => [key, { name: key, mode: 'host', destination: 'localhost', 'tcp-ports': '22' }]),
    ),
  });
const keys = async () =>
  (await org.root.expect<{ siteResources: { niceId: string }[] }>('GET', org.path('site-resources'))).siteResources
    .map(({ niceId }) => niceId)
    .sort();

/** A connection in which everything that it sends at first has been answered. */
async function connection(options: NewtOptions, documents: number): Promise<Newt> {
  const newt = new Newt(options);
  await newt.connect();
  for (const result of await newt.messages('newt/blueprint/results', documents))
    expect(result).toMatchObject({ success: true });
  return newt;
}

describe('documents of a newt', () => {
  it('that come on a later connection than the one of the claim, at whatever server, remove what they no longer name', async () => {
    const credentials = await exchange();
    const first = await connection({ url: a.url, ...credentials, blueprint: documentOf('one', 'two', 'three') }, 1);
    // A change of the file, on the same connection.
    first.apply(documentOf('one', 'two'));
    await first.messages('newt/blueprint/results', 2);
    expect(await keys()).toEqual(['one', 'three', 'two']);
    await first.stop();
    const later = await connection({ url: b.url, ...credentials, blueprint: documentOf('one', 'two') }, 1);
    expect(await keys()).toEqual(['one', 'two']);
    later.apply('{}');
    await later.messages('newt/blueprint/results', 2);
    expect(await keys()).toEqual([]);
    await later.stop();
  });

  it('from the provisioning blueprint make what stays, also when the server is killed after them', async () => {
    const credentials = await exchange();
    const server = await startServer({ databaseUrl: a.databaseUrl });
    await connection(
      {
        url: server.url,
        ...credentials,
        blueprint: documentOf('one', 'two'),
        provisioningBlueprint: documentOf('ssh'),
      },
      2,
    );
    await server.kill();
    const later = await connection({ url: b.url, ...credentials, blueprint: documentOf('two') }, 1);
    expect(await keys()).toEqual(['ssh', 'two']);
    await later.stop();
  });

  it('may all come on the next connection when the newt never saw its first one open', async () => {
    const credentials = await exchange();
    const { body } = await newtToken(a.url, credentials.newtId, credentials.secret);
    (await TestSession.connect(a.wsUrl, body.data.token)).cut();
    const first = await connection(
      { url: b.url, ...credentials, blueprint: documentOf('one', 'two'), provisioningBlueprint: documentOf('ssh') },
      2,
    );
    expect(await keys()).toEqual(['one', 'ssh', 'two']);
    await first.stop();
    const later = await connection({ url: a.url, ...credentials, blueprint: documentOf('one') }, 1);
    expect(await keys()).toEqual(['one', 'ssh']);
    await later.stop();
  });

  it('remove at once where there was no exchange: the site was made by hand', async () => {
    const site = await org.root.expect<{ newtId: string; secret: string }>('PUT', org.path('site'), {
      name: 'By hand',
      type: 'newt',
    });
    const newt = await connection(
      { url: a.url, newtId: site.newtId, secret: site.secret, blueprint: documentOf('one', 'two') },
      1,
    );
    newt.apply(documentOf('two'));
    await newt.messages('newt/blueprint/results', 2);
    expect(await keys()).toEqual(['two']);
    await newt.stop();
  });
});

describe('health checks of a newt', () => {
  interface Target {
    targetId: number;
    hcHealth: string;
  }
  const BODY = { ip: '10.0.0.9', port: 80, method: 'http' };
  let serial = 0;

  /** A newt whose site has been approved, and a resource with targets on it. */
  async function setUp() {
    const credentials = await exchange();
    const { sites } = await org.sites();
    const { siteId } = sites[0]!;
    const { resourceId } = await org.root.expect<{ resourceId: number }>('PUT', org.path('resource'), {
      name: 'Wire',
      http: false,
      protocol: 'tcp',
      proxyPort: 20_000 + serial++,
    });
    const target = (more: object) =>
      org.root.expect<Target>('PUT', `/resource/${resourceId}/target`, { siteId, ...BODY, ...more });
    const health = async (id: number) => (await org.root.expect<Target>('GET', `/target/${id}`)).hcHealth;
    const sum = async () => (await org.root.expect<{ health: string }>('GET', `/resource/${resourceId}`)).health;
    return { credentials, siteId, target, health, sum };
  }
  const added = (newt: Newt) =>
    newt.received
      .filter((message) => message.type === 'newt/healthcheck/add')
      .flatMap(({ data }) => data['targets'] as { id: number }[]);
  const removed = (newt: Newt) =>
    newt.received
      .filter((message) => message.type === 'newt/healthcheck/remove')
      .flatMap(({ data }) => data['ids'] as number[]);
  const has = async (newt: Newt, condition: () => boolean) => {
    while (!condition()) await newt.change();
  };

  it('are sent on every connection and as they change, and their results are the health of the targets', async () => {
    const { credentials, siteId, target, health, sum } = await setUp();
    const one = await target({
      hcEnabled: true,
      hcPath: '/up',
      hcInterval: 10,
      hcHeaders: [{ name: 'X-Probe', value: 'yes' }],
      hcStatus: null,
    });
    await target({ port: 81 });
    const newt = new Newt({ url: a.url, ...credentials });
    await newt.connect();
    await has(newt, () => added(newt).length === 1);
    expect(added(newt)).toEqual([
      {
        id: one.targetId,
        hcEnabled: true,
        hcMode: 'http',
        hcHostname: BODY.ip,
        hcPort: BODY.port,
        hcPath: '/up',
        hcInterval: 10,
        hcHeaders: { 'X-Probe': 'yes' },
      },
    ]);
    await newt.message('newt/healthcheck/status/request');
    expect(await health(one.targetId)).toBe('unknown');
    newt.tellHealth({ [one.targetId]: 'healthy' });
    await until(async () => (await health(one.targetId)) === 'healthy');
    // Through another server process, to the one that holds the session.
    const second = await Api.root(b).expect<Target>('PUT', `/resource/${await resourceOf(one)}/target`, {
      siteId,
      ...BODY,
      port: 82,
      hcEnabled: true,
    });
    await has(newt, () => added(newt).length === 2);
    expect(added(newt)[1]).toMatchObject({ id: second.targetId, hcPort: 82 });
    newt.tellHealth({ [one.targetId]: 'healthy', [second.targetId]: 'unhealthy' });
    await until(async () => (await sum()) === 'degraded');
    await org.root.expect('POST', `/target/${second.targetId}`, { siteId, ...BODY, hcEnabled: false });
    await has(newt, () => removed(newt).length === 1);
    await org.root.expect('DELETE', `/target/${one.targetId}`);
    await has(newt, () => removed(newt).length === 2);
    expect(removed(newt)).toEqual([second.targetId, one.targetId]);
    expect(newt.problems).toEqual([]);
    await newt.stop();
  });

  const resourceOf = async ({ targetId }: Target) =>
    (await org.root.expect<{ resourceId: number }>('GET', `/target/${targetId}`)).resourceId;

  it('that a newt kept from an earlier connection are taken from it, and those of a site that is suspended too', async () => {
    const { credentials, siteId, target, health } = await setUp();
    const one = await target({ hcEnabled: true });
    const newt = new Newt({ url: a.url, ...credentials });
    await newt.connect();
    await newt.message('newt/healthcheck/status/request');
    newt.tellHealth({ [one.targetId]: 'healthy', 999999999: 'healthy' });
    await has(newt, () => removed(newt).length === 1);
    expect(removed(newt)).toEqual([999_999_999]);
    await until(async () => (await health(one.targetId)) === 'healthy');
    await org.root.expect('POST', `/site/${siteId}`, { status: 'pending' });
    await has(newt, () => removed(newt).length === 2);
    await newt.stop();
  });

  it('tell nothing of the targets of another site, and nothing that is no result', async () => {
    const { credentials, target, health } = await setUp();
    const mine = await target({ hcEnabled: true });
    const other = await org.root.expect<{ siteId: number }>('PUT', org.path('site'), { name: 'Other', type: 'newt' });
    const theirs = await target({ siteId: other.siteId, hcEnabled: true });
    const newt = new Newt({ url: a.url, ...credentials });
    await newt.connect();
    await newt.message('newt/healthcheck/status/request');
    newt.send({ type: 'newt/healthcheck/status', data: { targets: [] } });
    newt.send({ type: 'newt/healthcheck/status', data: { targets: 'all' } });
    await newt.message('error');
    newt.tellHealth({ [theirs.targetId]: 'unhealthy', [mine.targetId]: 'splendid', '-1': 'healthy', x: 'healthy' });
    newt.tellHealth({ [theirs.targetId]: 'healthy', [mine.targetId]: 'unhealthy' });
    await until(async () => (await health(mine.targetId)) === 'unhealthy');
    expect(await health(theirs.targetId)).toBe('unknown');
    await newt.stop();
  });
});

describe('containers beside a newt', () => {
  const running = (name: string, labels: Record<string, string>, more: object = {}) => ({
    id: '0123456789ab',
    name,
    image: 'nginx',
    state: 'running',
    status: 'Up 2 hours',
    ports: [
      { privatePort: 8443, type: 'tcp' },
      { privatePort: 8080, publicPort: 80, type: 'tcp', ip: '0.0.0.0' },
    ],
    labels: { 'com.docker.compose.service': name, ...labels },
    created: 1_790_000_000,
    networks: {},
    hostname: name,
    ...more,
  });
  const labels = (key: string) => ({
    [`pangolin.private-resources.${key}.name`]: key,
    [`pangolin.private-resources.${key}.mode`]: 'host',
    [`pangolin.private-resources.${key}.destination`]: 'localhost',
  });
  const siteId = async () => (await org.sites()).sites[0]!.siteId;

  it('are asked for where the site has a socket, and their labels are applied, one apart from the other', async () => {
    const newt = new Newt({
      url: a.url,
      ...(await exchange()),
      containers: [
        running('/one', labels('one')),
        running('two', labels('two')),
        running('idle', labels('idle'), { state: 'exited' }),
        running('bad', { ...labels('bad'), 'pangolin.private-resources.bad.users[0]': 'left@company.example' }),
        running('plain', {}, { ports: null, labels: null }),
      ],
    });
    await newt.connect();
    await newt.message('newt/socket/fetch');
    await until(async () => (await keys()).length === 2);
    expect(await keys()).toEqual(['one', 'two']);
    const { blueprints } = await org.root.expect<{ blueprints: { blueprintId: number; succeeded: boolean }[] }>(
      'GET',
      org.path('blueprints'),
    );
    const refusal = blueprints.find((one) => !one.succeeded)!;
    expect(await org.root.expect('GET', org.path(`blueprint/${refusal.blueprintId}`))).toMatchObject({
      message: expect.stringContaining('container "bad": private-resources.bad.users[0]: left@company.example is not'),
    });
    // As a newt tells when one has stopped.
    newt.options.containers = [running('two', labels('two'))];
    newt.tellContainers();
    await until(async () => (await keys()).length === 1);
    newt.options.containers = null;
    newt.tellContainers();
    await until(async () => (await keys()).length === 0);
    await newt.stop();
  });

  it('are not asked for where the site has none, and are once it has', async () => {
    const credentials = await exchange();
    await org.root.expect('POST', `/site/${await siteId()}`, { dockerSocketEnabled: false });
    const newt = new Newt({ url: a.url, ...credentials, containers: [running('one', labels('one'))] });
    await newt.connect();
    await newt.message('newt/healthcheck/status/request');
    newt.tellContainers();
    await newt.settled();
    expect(newt.received.map((message) => message.type)).not.toContain('newt/socket/fetch');
    expect(await keys()).toEqual([]);
    await Api.root(b).expect('POST', `/site/${await siteId()}`, { dockerSocketEnabled: true });
    await newt.message('newt/socket/fetch');
    await until(async () => (await keys()).length === 1);
    await newt.stop();
  });

  it('are a bounded list', async () => {
    const newt = new Newt({ url: a.url, ...(await exchange()) });
    await newt.connect();
    await newt.message('newt/socket/fetch');
    for (const containers of [
      {},
      Array.from({ length: 1001 }, () => ({})),
      [running('big', { 'pangolin.private-resources.x.name': 'x'.repeat(300_000) })],
      [running('', labels('x'), { id: 7 })],
    ]) {
      const before = newt.received.filter((message) => message.type === 'error').length;
      newt.send({ type: 'newt/socket/containers', data: { containers } });
      await newt.messages('error', before + 1);
    }
    expect(await keys()).toEqual([]);
    await newt.stop();
  });
});
