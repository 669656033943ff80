import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentHello } from '#contracts';
import { TestAgent } from '../support/agent.js';
import { envelope, FakeServer, KEY } from '../support/fake-server.js';
import { signingKey } from '../support/instance-authority.js';

let server: FakeServer;
const agents: TestAgent[] = [];
beforeEach(async () => {
  server = await FakeServer.start();
  server.on.session = (session) => session.socket.once('message', () => session.welcome());
});
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.remove()));
  await server.stop();
});

function start(cli: object = {}, options: Parameters<typeof TestAgent.start>[1] = {}): TestAgent {
  const agent = TestAgent.start({ endpoint: server.url, provisioningKey: KEY, ...cli }, options);
  agents.push(agent);
  return agent;
}
const hello = async (n: number) => (await server.session(n)).of('agent/hello')[0] as AgentHello;

describe("the machine's own bundle key", () => {
  it('is on disk before the claim, sent with it and with the greeting, and stays', async () => {
    let onDisk: unknown;
    server.on.claim = (_request, granted) => {
      onDisk = agent.file()['bundleKey'];
      return granted();
    };
    const agent: TestAgent = start();
    const { x } = publicKey(await hello(1));
    expect(server.claims[0]?.bundleKey).toEqual({ kty: 'OKP', crv: 'X25519', x });
    expect(onDisk).toEqual({ kty: 'OKP', crv: 'X25519', x, d: expect.any(String) });
    await agent.agent.stop();
    agents.push(TestAgent.start({ endpoint: server.url }, { folder: agent.folder }));
    expect(publicKey(await hello(2)).x).toBe(x);
  });

  it('is made by a machine that was enrolled before', async () => {
    server.sites.push({ newtId: 'n1', secrets: ['s1'] });
    const agent = start({}, { file: { id: 'n1', secret: 's1' } });
    expect(publicKey(await hello(1)).x).toBe((agent.file()['bundleKey'] as { x: string }).x);
  });

  it('does not exist where the credential is not kept here', async () => {
    server.sites.push({ newtId: 'n1', secrets: ['s1'] });
    start({ id: 'n1', secret: 's1' });
    expect(await hello(1)).not.toHaveProperty('bundleKey');
  });
});

describe('the signing key that a claim names', () => {
  const [current, next] = [signingKey().kid, signingKey().kid];
  beforeEach(() => {
    server.on.claim = (_request, granted) => {
      const { data } = granted().body as { data: object };
      return envelope(201, { ...data, signingKeyThumbprint: current, nextSigningKeyThumbprint: next });
    };
  });

  it('is trusted from then on, and said once', async () => {
    const agent = start();
    await server.session();
    expect(agent.file()['claimedTrust']).toBe(`${current}.${next}`);
    expect(agent.output.split(`--trust-fingerprint ${current}.${next}`)).toHaveLength(2);
  });

  it('is not taken where the operator said which one to trust', async () => {
    const { kid } = signingKey();
    const agent = start({ trustFingerprint: kid });
    await server.session();
    expect(agent.file()).not.toHaveProperty('claimedTrust');
    expect(server.claims).toMatchObject([{ trustFingerprint: kid }]);
  });

  it('is not taken where the installer has put into the state file which one to trust', async () => {
    const { kid } = signingKey();
    const agent = start({}, { file: { trustFingerprint: kid } });
    await server.session();
    expect(agent.file()).toMatchObject({ trustFingerprint: kid });
    expect(agent.file()).not.toHaveProperty('claimedTrust');
    expect(server.claims).toMatchObject([{ trustFingerprint: kid }]);
  });
});

describe('with a state key', () => {
  it('credential and bundle key are sealed on disk, from the first write on', async () => {
    const agent = start({ stateKeyFile: '/dev/null' }); // its folder is not known before
    expect((await agent.agent.done).code).toBe(78);
    const key = join(agent.folder, 'state.key');
    writeFileSync(key, 'k'.repeat(44));
    const contents: string[] = [];
    server.on.claim = (_request, granted) => {
      contents.push(readFileSync(agent.configFile, 'utf8'));
      return granted();
    };
    const cli = { endpoint: server.url, provisioningKey: KEY, stateKeyFile: key };
    const sealed = TestAgent.start(cli, { folder: agent.folder });
    agents.push(sealed);
    await server.session();
    contents.push(readFileSync(agent.configFile, 'utf8'));
    for (const content of contents) expect(content).not.toMatch(/"d":|"secret"/);
    await sealed.agent.stop();

    const again = TestAgent.start(cli, { folder: agent.folder });
    agents.push(again);
    await server.session(2);
    expect(server.claims).toHaveLength(1);
    await again.agent.stop();

    const without = TestAgent.start({ endpoint: server.url }, { folder: agent.folder });
    agents.push(without);
    expect(await without.agent.done).toMatchObject({ code: 78, message: expect.stringContaining('--state-key-file') });
  });

  it('a state in clear is sealed at the start', async () => {
    server.sites.push({ newtId: 'n1', secrets: ['s1-hush'] });
    const agent = start({}, { file: { id: 'n1', secret: 's1-hush' } });
    await server.session();
    await agent.agent.stop();
    const key = join(agent.folder, 'state.key');
    writeFileSync(key, 'k'.repeat(44));
    const sealed = TestAgent.start({ endpoint: server.url, stateKeyFile: key }, { folder: agent.folder });
    agents.push(sealed);
    await server.session(2);
    expect(readFileSync(agent.configFile, 'utf8')).not.toContain('hush');
  });
});

function publicKey({ bundleKey }: AgentHello): { x: string } {
  expect(bundleKey).toEqual({ kty: 'OKP', crv: 'X25519', x: expect.any(String) });
  return bundleKey as { x: string };
}
