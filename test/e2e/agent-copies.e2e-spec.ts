import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentOptions } from '../../libs/agent/src/index.js';
import { TestAgent } from '../support/agent.js';
import { FakeServer, KEY } from '../support/fake-server.js';
import { type MachineFacts, machineAt } from '../support/machines.js';
import { until } from '../support/server.js';

const A: MachineFacts = {
  machineId: '0123456789abcdef0123456789abcdef',
  productUuid: '4c4c4544-0042-3510-8052-b4c04f564433',
  mac: '00:0c:29:00:00:0a',
};
const B: MachineFacts = {
  machineId: 'fedcba9876543210fedcba9876543210',
  productUuid: '564d1234-0042-3510-8052-b4c04f564433',
  mac: '00:0c:29:00:00:0b',
};

let server: FakeServer;
let root: string;
let agents: TestAgent[];
beforeEach(async () => {
  server = await FakeServer.start();
  root = mkdtempSync(join(tmpdir(), 'gatehouse-copies-'));
  agents = [];
});
afterEach(async () => {
  for (const agent of agents) await agent.remove();
  await server.stop();
  rmSync(root, { recursive: true, force: true });
});

/** Starts an agent on a machine, with the state of another one if it is given. */
function start(
  name: string,
  facts: MachineFacts,
  { state, key = KEY, ...options }: { state?: TestAgent | object; key?: string } & Partial<AgentOptions> = {},
): TestAgent {
  const folder = mkdtempSync(join(root, `${name}-`));
  if (state instanceof TestAgent) cpSync(state.configFile, join(folder, 'config.json'));
  else if (state) writeFileSync(join(folder, 'config.json'), JSON.stringify(state), { mode: 0o600 });
  const machineRoot = machineAt(join(folder, 'root'), facts);
  const agent = TestAgent.start({ endpoint: server.url, provisioningKey: key }, { folder, machineRoot, ...options });
  agents.push(agent);
  return agent;
}

async function enrolled(facts: MachineFacts): Promise<TestAgent> {
  const agent = start('original', facts);
  await server.session();
  await agent.agent.stop();
  return agent;
}

describe.runIf(process.platform === 'linux')('an image that was made after the first start', () => {
  it('becomes a site of its own on each machine', async () => {
    server.on.claim = () => ({ status: 503 });
    const original = start('original', A);
    await original.waitsFor('claim-retry');
    await original.agent.stop();
    server.on = {};
    start('a', A, { state: original });
    await server.session(1);
    const copy = start('b', B, { state: original });
    await server.session(2);
    expect(server.sites).toHaveLength(2);
    expect(server.claims[1]).toEqual(server.claims[0]); // machine A: the same device as before
    expect(copy.output).toContain("this state was copied from another machine: claiming a site of this machine's own");
    expect(copy.file()).toMatchObject({
      id: server.sites[1]?.newtId,
      claim: { hardwareId: server.sites[1]?.hardwareId, nonce: server.sites[1]?.nonce },
    });
    expect(copy.file()['fingerprint']).not.toEqual(original.file()['fingerprint']);
  });

  it('by a version that kept no fingerprint is one site, and the second machine says that it was copied', async () => {
    const state = {
      claim: {
        hardwareId: '00000000-0000-4000-8000-000000000001',
        nonce: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      },
      provisioningKey: KEY,
    };
    start('a', A, { state });
    await server.session(1);
    const [site] = server.sites;
    delete site?.nonce; // it has authenticated: the window of the nonce is closed
    const copy = start('b', B, { state });
    expect(await copy.agent.done).toMatchObject({
      code: 77,
      message: expect.stringContaining('if this state was copied from that machine, remove `claim`'),
    });
    expect(server.sites).toHaveLength(1);
  });

  it('by such a version says that it may be a copy, too, when two machines claim at once', async () => {
    const state = {
      claim: {
        hardwareId: '00000000-0000-4000-8000-000000000001',
        nonce: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      },
      provisioningKey: KEY,
    };
    server.on.token = (request, granted) => {
      server.sites[0]!.secrets = ['of the machine that came first']; // which revokes the others
      expect(request.newtId).toBe(server.sites[0]!.newtId);
      return granted();
    };
    const copy = start('b', B, { state });
    const said = /refuses the credential of site .*if this state was copied, remove `claim`, `id` and `secret` from /;
    expect(await copy.agent.done).toMatchObject({ code: 77, message: expect.stringMatching(said) });
    const again = start('b', B, { state: copy });
    expect(await again.agent.done).toMatchObject({ code: 77, message: expect.stringMatching(said) });
    server.on = {};
    const { claim: _claim, id: _id, secret: _secret, ...rest } = copy.file();
    start('b', B, { state: { ...rest, provisioningKey: KEY } });
    await server.session(1);
    expect(server.sites).toHaveLength(2);
  });

  it('says nothing of copies once a session was open', async () => {
    server.on.session = (session) => session.socket.once('message', () => session.welcome());
    const original = start('original', A);
    await until(() => original.output.includes('connected as'));
    await original.agent.stop();
    server.sites[0]!.secrets = [];
    const again = TestAgent.start({ endpoint: server.url }, { folder: original.folder, machineRoot: '/nonexistent' });
    agents.push(again);
    expect((await again.agent.done).message).toMatch(
      /refuses the credential of site \S+: revoked, rejected or deleted$/,
    );
  });
});

describe.runIf(process.platform === 'linux')('a clone of an enrolled machine', () => {
  it('with a key becomes a site of its own, and leaves the credential of the other one alone', async () => {
    const original = await enrolled(A);
    const copy = start('b', B, { state: original });
    await server.session(2);
    const [first, second] = server.sites;
    expect(server.sites).toHaveLength(2);
    expect(copy.output).toContain(`copied from another machine, which is site ${first?.newtId}`);
    expect(copy.file()).toMatchObject({ id: second?.newtId, secret: second?.secrets[0] });
    expect(server.tokenRequests.map((request) => request.newtId)).toEqual([first?.newtId, second?.newtId]);
    start('a', A, { state: original });
    await server.session(3);
    expect(server.sites).toHaveLength(2);
  });

  it('without a key ends with 78, says what to do, and sends nothing', async () => {
    const original = await enrolled(A);
    const copy = start('b', B, { state: original, key: '' });
    expect(await copy.agent.done).toMatchObject({
      code: 78,
      message: expect.stringMatching(
        new RegExp(
          `^this state was copied from another machine, which is site ${server.sites[0]?.newtId}\\. Give a provisioning key`,
        ),
      ),
    });
    expect(copy.file()).toEqual(original.file());
    expect(server.tokenRequests).toHaveLength(1);
  });

  it('whose claim is interrupted stays a machine of its own', async () => {
    const original = await enrolled(A);
    server.on.claim = () => ({ status: 503 });
    const copy = start('b', B, { state: original });
    await copy.waitsFor('claim-retry');
    await copy.agent.stop();
    expect(copy.file()).not.toHaveProperty('secret');
    server.on = {};
    start('again', B, { state: copy });
    await server.session(2);
    expect(server.claims.at(-1)).toEqual(server.claims.at(-2));
  });

  it('with --hardware-id machine claims as the hardware that it is', async () => {
    const original = start('original', A, {
      cli: { endpoint: server.url, provisioningKey: KEY, hardwareId: 'machine' },
    });
    await server.session();
    await original.agent.stop();
    start('b', B, {
      state: original,
      cli: { endpoint: server.url, provisioningKey: KEY, hardwareId: 'machine' },
    });
    await server.session(2);
    expect(server.sites.map((site) => site.hardwareId)).toEqual([A.productUuid, B.productUuid]);
  });
});

describe.runIf(process.platform === 'linux')('the same machine', () => {
  it.each<[string, MachineFacts]>([
    ['with another network card', { ...A, mac: '00:0c:29:00:00:0c' }],
    ['whose disk is in another chassis', { ...B, machineId: A.machineId as string }],
    ['run by a user who may read less', { machineId: A.machineId as string }],
    ['in a container on another host', { ...B, container: true }],
  ])('%s goes on as its site', async (_what, facts) => {
    const original = await enrolled(A);
    const agent = start('again', facts, { state: original, key: '' });
    await server.session(2);
    expect(server.sites).toHaveLength(1);
    expect(agent.file()).toMatchObject({ id: server.sites[0]?.newtId });
  });

  it('is known by what it has become: part after part may be replaced', async () => {
    let agent = await enrolled(A);
    let session = 1;
    for (const facts of [{ ...A, mac: B.mac as string }, { ...B, machineId: A.machineId as string }, B]) {
      agent = start('next', facts, { state: agent, key: '' });
      await server.session(++session);
      await agent.agent.stop();
    }
    expect(server.sites).toHaveLength(1);
  });

  it('enrolled by an older version learns its fingerprint and makes a bundle key, beside everything else in the file', async () => {
    server.sites.push({ newtId: 'n1', secrets: ['s1'] });
    const agent = start('old', A, { state: { id: 'n1', secret: 's1', other: 1 }, key: '' });
    await server.session();
    expect(agent.file()).toEqual({
      id: 'n1',
      secret: 's1',
      other: 1,
      bundleKey: expect.objectContaining({ crv: 'X25519' }),
      fingerprint: { machineId: expect.any(String), productUuid: expect.any(String), mac: expect.any(String) },
    });
  });

  it('in a container keeps no fingerprint, and warns that the identity is lost without a volume', async () => {
    const machine = { ...A, container: true };
    const agent = start('container', machine);
    await server.session();
    expect(agent.file()).not.toHaveProperty('fingerprint');
    expect(agent.output).not.toContain('volume'); // its mounts cannot be read
    const machineRoot = machineAt(mkdtempSync(join(root, 'mounts-')), { ...machine, mounts: OVERLAY });
    const lost = start('lost', machine, { machineRoot });
    await server.session(2);
    expect(lost.output).toMatch(/WARN .*is in no volume: the identity of this site is lost with the container/);
    const meant = start('ephemeral', machine, { machineRoot, env: { GATEHOUSE_EPHEMERAL: 'true' } });
    await server.session(3);
    expect(meant.output).not.toContain('volume');
  });
});

const OVERLAY = '700 600 0:50 / / rw - overlay overlay rw\n';

it('two agents with one credential that cannot tell that they are copies do not chase each other for ever', async () => {
  server.sites.push({ newtId: 'n1', secrets: ['s1'] });
  const agent = start('a', {}, { state: { id: 'n1', secret: 's1' }, key: '' });
  for (let round = 1; round <= 5; round++) {
    const session = await server.session(round);
    session.welcome();
    session.socket.close(4001, 'replaced');
    if (round < 5) (await agent.waitsFor('reconnect')).wake();
  }
  expect(agent.output).toContain(
    'another agent began a session as this site; does a copy of its credential run elsewhere?',
  );
  expect(await agent.agent.done).toMatchObject({
    code: 78,
    message: expect.stringMatching(/^another agent keeps taking over the sessions of site n1/),
  });
});
