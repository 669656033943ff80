import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  answer,
  document,
  log,
  sent,
  server,
  setUpAgentBlueprints,
  start,
  welcomed,
  write,
} from '../support/agent-blueprints.js';
import { FakeDocker } from '../support/fake-docker.js';

setUpAgentBlueprints();

describe('labels of containers', () => {
  let docker: FakeDocker;
  beforeEach(async () => {
    docker = await new FakeDocker().start();
  });
  afterEach(() => docker.remove());

  const web = (name: string, host: string) => ({
    name,
    ports: [8443, 8080],
    labels: {
      'pangolin.public-resources.web.name': 'Web',
      'pangolin.public-resources.web.mode': 'http',
      'pangolin.public-resources.web.full-domain': host,
      'pangolin.public-resources.web.targets[0].method': 'http',
    },
  });

  it('are a blueprint that follows the containers', async () => {
    docker.run(web('nginx', '1.example.com'), { name: 'other', labels: { 'com.example': 'x' } });
    const agent = start({ dockerSocket: docker.socket });
    const session = await welcomed();
    const first = await sent(session);
    expect(first).toMatchObject({
      kind: 'labels',
      document: {
        'public-resources': {
          web: {
            name: 'Web',
            mode: 'http',
            'full-domain': '1.example.com',
            targets: [{ hostname: 'nginx', port: 8080, method: 'http' }],
          },
        },
      },
    });
    answer(session, first);
    docker.run(web('nginx', '2.example.com'));
    (await agent.waitsFor('docker-debounce')).wake();
    const second = await sent(session, 2);
    expect(JSON.stringify(second.document)).toContain('2.example.com');
    answer(session, second);
    docker.run();
    (await agent.waitsFor('docker-debounce')).wake();
    expect((await sent(session, 3)).document).toEqual({});
  });

  it('of an engine that is away are not none', async () => {
    docker.run(web('nginx', '1.example.com'));
    const agent = start({ dockerSocket: `unix://${docker.socket}` });
    const session = await welcomed();
    answer(session, await sent(session));
    await agent.waitsFor('docker-poll');
    await docker.stop();
    const retry = await agent.waitsFor('docker-retry');
    expect(agent.output).toMatch(/the Docker engine at .* is away/);
    docker.run(web('nginx', '2.example.com'));
    await docker.start();
    retry.wake();
    expect(JSON.stringify((await sent(session, 2)).document)).toContain('2.example.com');
  });

  it("are not sent while the site's dockerSocketEnabled is false, and are when it becomes true", async () => {
    docker.run(web('nginx', '1.example.com'));
    const agent = start({ dockerSocket: docker.socket, blueprintFile: write(document(1)) });
    const session = await server.session(1);
    session.welcome({ dockerSocketEnabled: false });
    expect(await sent(session)).toMatchObject({ kind: 'file' });
    await log(agent, /the labels of the containers are not sent: the site's dockerSocketEnabled is false/);
    await agent.waitsFor('docker-poll');
    expect(session.of('agent/blueprint')).toHaveLength(1);
    session.send('agent/state', { version: 2, status: 'approved' });
    expect(await sent(session, 2)).toMatchObject({ kind: 'labels' });
    session.send('agent/state', { version: 3, status: 'approved', dockerSocketEnabled: false });
    await server.until(() => session.of('agent/applied').length === 2);
    docker.run(web('nginx', '2.example.com'));
    (await agent.waitsFor('docker-debounce')).wake();
    await agent.waitsFor('docker-poll');
    expect(session.of('agent/blueprint')).toHaveLength(2);
  });

  it('that are wrong are told, and what was sent before stays', async () => {
    docker.run({ name: 'nginx', labels: { 'pangolin.public-resources.web.nmae': 'Web' } });
    const agent = start({ dockerSocket: docker.socket });
    await welcomed();
    await log(
      agent,
      /container "nginx", label "pangolin\.public-resources\.web\.nmae": public-resources\.web\.nmae: is not known here; did you mean "name"\?/,
    );
  });
});
