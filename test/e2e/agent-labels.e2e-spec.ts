import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
import { startAgentProgram } from '../support/agent-process.js';
import { selfSigned } from '../support/certificate.js';
import { FakeDocker, type FakeDockerOptions } from '../support/fake-docker.js';
import { KEY } from '../support/fake-server.js';

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
    // That the stream of events was cut off says nothing yet.
    (await agent.waitsFor('docker-retry')).wake();
    await log(agent, /the Docker engine at .* is away/);
    const retry = await agent.waitsFor('docker-retry');
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

describe('an engine behind a port', () => {
  const web = (host: string) => ({
    name: 'nginx',
    labels: {
      'pangolin.public-resources.web.name': 'Web',
      'pangolin.public-resources.web.mode': 'http',
      'pangolin.public-resources.web.full-domain': host,
      'pangolin.public-resources.web.targets[0].method': 'http',
    },
  });
  let docker: FakeDocker;
  afterEach(() => docker.remove());
  const engine = async (options: FakeDockerOptions) => {
    docker = await new FakeDocker(options).start();
    docker.run(web('1.example.com'));
  };

  it.each(['tcp', 'http'])('is followed by %s://', async (scheme) => {
    await engine({ tcp: true });
    const agent = start({ dockerSocket: `${scheme}://${docker.authority}` });
    const session = await welcomed();
    const first = await sent(session);
    expect(JSON.stringify(first.document)).toContain('1.example.com');
    answer(session, first);
    docker.run(web('2.example.com'));
    (await agent.waitsFor('docker-debounce')).wake();
    expect(JSON.stringify((await sent(session, 2)).document)).toContain('2.example.com');
  });

  it('is followed by lists alone where a proxy forbids events, which is said once', async () => {
    await engine({ tcp: true, forbidden: ['/events'] });
    const agent = start({ dockerSocket: `tcp://${docker.authority}` });
    const session = await welcomed();
    answer(session, await sent(session));
    const poll = await agent.waitsFor('docker-poll');
    expect(poll.ms).toBe(10_000);
    docker.run(web('2.example.com'));
    poll.wake();
    const second = await sent(session, 2);
    expect(JSON.stringify(second.document)).toContain('2.example.com');
    answer(session, second);
    docker.forbidden = ['/events', '/containers'];
    (await agent.waitsFor('docker-poll')).wake();
    const retry = await agent.waitsFor('docker-retry');
    docker.forbidden = ['/events'];
    retry.wake();
    await agent.waitsFor('docker-poll');
    expect(agent.output.match(/tells of no events: it answered 403 when asked for events/g)).toHaveLength(1);
    expect(agent.output.match(/is away/g)).toHaveLength(1);
  });

  it('is told to be closed where a proxy forbids the list, and nothing is removed', async () => {
    await engine({ tcp: true });
    const agent = start({ dockerSocket: `tcp://${docker.authority}` });
    const session = await welcomed();
    answer(session, await sent(session));
    docker.forbidden = ['/containers'];
    (await agent.waitsFor('docker-poll')).wake();
    const retry = await agent.waitsFor('docker-retry');
    expect(agent.output).toMatch(
      /is away: it does not let containers be listed \(403\): a socket proxy must allow GET/,
    );
    docker.forbidden = [];
    retry.wake();
    await agent.waitsFor('docker-poll');
    expect(session.of('agent/blueprint')).toHaveLength(1);
  });

  it('that ends the stream of events is asked again, and is not away', async () => {
    await engine({ tcp: true });
    const agent = start({ dockerSocket: `tcp://${docker.authority}` });
    const session = await welcomed();
    answer(session, await sent(session));
    await agent.waitsFor('docker-poll');
    docker.cutEvents();
    docker.run(web('2.example.com'));
    (await agent.waitsFor('docker-retry')).wake();
    expect(JSON.stringify((await sent(session, 2)).document)).toContain('2.example.com');
    expect(agent.output).not.toMatch(/is away/);
  });

  it('is followed by https:// where its certificate is good, and only there', async () => {
    const tls = await selfSigned('0d');
    await engine({ tls });
    const agent = start({ dockerSocket: `https://${docker.authority}` });
    await agent.waitsFor('docker-retry');
    expect(agent.output).toMatch(/is away: self-signed certificate/);
    expect(docker.paths).toEqual([]);
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-docker-ca-'));
    try {
      writeFileSync(join(folder, 'ca.pem'), tls.cert);
      const program = startAgentProgram(
        ['--endpoint', server.url, '--provisioning-key', KEY, '--docker-socket', `https://${docker.authority}`],
        { env: { HOME: folder, NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') } },
      );
      await server.session(2);
      await expect.poll(() => docker.paths, { timeout: 20_000 }).toContain('/containers/json');
      program.child.kill('SIGTERM');
      await program.ended;
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('whose address cannot be used is told by name, and the agent goes on', async () => {
    await engine({ tcp: true });
    const agent = start({ dockerSocket: 'ssh://machine' });
    await welcomed();
    await log(
      agent,
      'the Docker socket ssh://machine cannot be used: ssh:// is none of unix://, tcp://, http:// and https://',
    );
  });
});
