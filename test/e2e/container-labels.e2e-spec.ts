import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { file, history, host, org, resources, setUpBlueprintAgents, start, web } from '../support/blueprint-agents.js';
import { FakeDocker } from '../support/fake-docker.js';
import { until } from '../support/server.js';

setUpBlueprintAgents();

describe('container labels', () => {
  let docker: FakeDocker;
  beforeEach(async () => {
    docker = await new FakeDocker().start();
  });
  afterEach(() => docker?.remove());

  const label = (rest: Record<string, string>, section = 'public-resources', key = 'web') =>
    Object.fromEntries(Object.entries(rest).map(([name, value]) => [`pangolin.${section}.${key}.${name}`, value]));
  const described = () =>
    label({
      name: 'From a label',
      mode: 'http',
      'full-domain': host('web'),
      'auth.password': '12345678',
      'targets[0].method': 'http',
    });
  const nginx = { name: 'nginx', labels: {}, ports: [9443, 8080] };
  const spare = {
    name: 'spare',
    labels: label({ 'targets[1].method': 'https', 'targets[1].port': '8443', 'targets[1].hostname': 'spare.internal' }),
  };
  const db = {
    name: 'pg',
    labels: label(
      { name: 'Store', mode: 'host', destination: '10.9.9.9', 'tcp-ports': '5432' },
      'client-resources',
      'db',
    ),
  };
  const targets = async (resourceId: number) =>
    (
      await org.root.expect<{ targets: { ip: string; port: number; method: string }[] }>(
        'GET',
        `/resource/${resourceId}/targets`,
      )
    ).targets;
  const privates = async () =>
    (
      await org.root.expect<{
        siteResources: { niceId: string; name: string; destination: string; tcpPortRangeString: string }[];
      }>('GET', org.path('site-resources'))
    ).siteResources;

  it('make resources and targets, and what a container owned goes with it', async () => {
    const mine = await org.root.expect<{ resourceId: number }>('PUT', org.path('resource'), {
      name: "the operator's",
      http: false,
      protocol: 'tcp',
      proxyPort: 4000,
    });
    const { siteProvisioningKey: key } = await org.key();
    docker.run({ ...nginx, labels: described() }, { name: 'unlabelled', labels: { 'com.example': 'x' } });
    start(key, { dockerSocket: docker.socket });
    await until(async () => (await resources()).length === 2);
    const web = (await resources()).find((one) => one.niceId === 'web')!;
    expect(web).toMatchObject({
      name: 'From a label',
      fullDomain: host('web'),
      enabled: true,
      passwordId: expect.any(Number),
    });
    // Neither host nor port is said: the container, and its lowest port.
    expect(await targets(web.resourceId)).toMatchObject([{ ip: 'nginx', port: 8080, method: 'http' }]);

    docker.run({ ...nginx, labels: described() }, spare, db);
    await until(async () => (await targets(web.resourceId)).length === 2);
    expect(await targets(web.resourceId)).toMatchObject([
      { ip: 'nginx', port: 8080 },
      { ip: 'spare.internal', port: 8443, method: 'https' },
    ]);
    expect(await privates()).toMatchObject([
      { niceId: 'db', name: 'Store', destination: '10.9.9.9', tcpPortRangeString: '5432' },
    ]);

    docker.run({ ...nginx, labels: described() });
    await until(async () => (await targets(web.resourceId)).length === 1);
    expect(await privates()).toEqual([]);
    expect(await targets(web.resourceId)).toMatchObject([{ ip: 'nginx' }]);

    docker.run();
    await until(async () => (await resources()).length === 1);
    expect((await resources()).map((one) => one.resourceId)).toEqual([mine.resourceId]);
    expect((await history()).every((one) => one.succeeded)).toBe(true);
  });

  it('take nothing from the blueprint file, and the file nothing from them', async () => {
    const { siteProvisioningKey: key } = await org.key();
    docker.run({ ...nginx, labels: described() });
    start(key, { dockerSocket: docker.socket, blueprintFile: file(web('From a file', 80, 'page')) });
    await until(async () => (await resources()).length === 2);
    docker.run();
    await until(async () => (await resources()).length === 1);
    expect((await resources()).map((one) => one.name)).toEqual(['From a file']);
    docker.run({ ...nginx, labels: described() });
    await until(async () => (await resources()).length === 2);
    file('{}\n');
    await until(async () => (await resources()).length === 1);
    expect((await resources()).map((one) => one.name)).toEqual(['From a label']);
  });
});
