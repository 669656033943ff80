import 'reflect-metadata';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TestAgent } from '../support/agent.js';
import { selfSigned } from '../support/certificate.js';
import { CertifyingServer, DEVICE } from '../support/certifying-server.js';
import { type FakeSession, KEY } from '../support/fake-server.js';

let server: CertifyingServer;
let agents: TestAgent[];

beforeEach(async () => {
  server = await CertifyingServer.start();
  agents = [];
});
afterEach(async () => {
  for (const agent of agents) await agent.remove();
  await server.fake.stop();
});

function start(cli: object = {}, options: Parameters<typeof TestAgent.start>[1] = {}): TestAgent {
  const file = join(options.folder ?? '/nowhere', 'ca.pem');
  const agent = TestAgent.start(
    { endpoint: server.fake.url, ...cli, ...(options.folder ? { tlsClientCa: [file] } : {}) },
    options,
  );
  agents.push(agent);
  return agent;
}

/** An agent that claims, and is connected. */
async function enrolled(): Promise<{ agent: TestAgent; session: FakeSession }> {
  const first = TestAgent.start({}, {}); // makes its folder, and ends for want of an endpoint
  await first.agent.done;
  writeFileSync(join(first.folder, 'ca.pem'), server.ca);
  const agent = start({ credential: 'certificate', provisioningKey: KEY }, { folder: first.folder });
  return { agent, session: await welcomed() };
}

async function welcomed(n = 1): Promise<FakeSession> {
  const ended = (agents.at(-1) as TestAgent).agent.done.then((end) => {
    throw new Error(`the agent ended with ${end.code}: ${end.message}`);
  });
  const session = await Promise.race([server.fake.session(n), ended]);
  ended.catch(() => undefined);
  session.welcome();
  return session;
}

it('claims a certificate for a key of its own, and has its sessions by it', async () => {
  const { agent } = await enrolled();
  expect(server.claims).toMatchObject([
    {
      provision_key: KEY,
      hardware_id: expect.any(String),
      claim_nonce: expect.any(String),
      bundle_key: { crv: 'X25519' },
    },
  ]);
  const { id, secret, certificate, credential, provisioningKey } = agent.file();
  expect({ id, credential, provisioningKey }).toEqual({
    id: DEVICE,
    credential: undefined,
    provisioningKey: undefined,
  });
  expect(secret).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  expect(String(certificate).split('BEGIN CERTIFICATE')).toHaveLength(3);
  expect(agent.output).not.toContain('PRIVATE KEY');
  // Without the flag it goes on with what it has.
  await agent.agent.stop();
  start({}, { folder: agent.folder });
  await welcomed(2);
  expect(server.claims).toHaveLength(1);
});

it('claims again as the same device when the answer was lost, and uses the certificate that came', async () => {
  let lost = true;
  server.reply = (granted) => (lost ? { status: 0, cut: true } : granted);
  const starting = enrolled();
  await server.fake.until(() => server.claims.length === 1);
  const agent = agents[0] as TestAgent;
  const retry = await agent.waitsFor('claim-retry');
  lost = false;
  retry.wake();
  await starting;
  expect(new Set(server.claims.map(({ hardware_id, claim_nonce }) => `${hardware_id} ${claim_nonce}`)).size).toBe(1);
  expect(server.issued).toHaveLength(1);
});

it('renews with another key after two thirds of its life, also when an answer was lost', async () => {
  const { agent } = await enrolled();
  const before = agent.file();
  let lost = true;
  server.reply = (granted) => (lost ? { status: 0, cut: true } : granted);
  (await agent.waitsFor('renewal')).wake();
  const retry = await agent.waitsFor('renewal-retry');
  expect(agent.file()).toMatchObject({ secret: before['secret'], certificate: before['certificate'] });
  lost = false;
  retry.wake();
  await welcomed(2);
  const after = agent.file();
  expect(after['id']).toBe(DEVICE);
  expect(after['secret']).not.toBe(before['secret']);
  expect(after['certificate']).not.toBe(before['certificate']);
  expect(after['next']).toBeUndefined();
  expect(new Set(server.renewals.map(({ csr }) => csr)).size).toBe(2);
});

it('asks for the next one when a session says that there is to be one', async () => {
  const { agent, session } = await enrolled();
  const { secret } = agent.file();
  session.send('agent/credential', {});
  await welcomed(2);
  expect(agent.file()['secret']).not.toBe(secret);
  expect(server.issued).toHaveLength(1);
});

it('tries the next certificate of its state first, and goes back to the current one', async () => {
  const { agent } = await enrolled();
  await agent.agent.stop();
  const { secret, certificate, id } = agent.file();
  const other = await selfSigned('0c');
  start(
    {},
    { folder: agent.folder, file: { ...agent.file(), next: { id, secret: other.key, certificate: other.cert } } },
  );
  await welcomed(2);
  expect(agent.file()).toMatchObject({ secret, certificate });
  expect(agent.file()['next']).toBeUndefined();
});

it('renews one that has expired by the connection that it still proves', async () => {
  const { agent } = await enrolled();
  await agent.agent.stop();
  const { secret } = agent.file();
  server.expired = server.issued[0];
  start({}, { folder: agent.folder });
  await server.fake.until(() => server.renewals.length === 1);
  await server.fake.until(() => server.fake.sessions.length === 2);
  expect(agent.file()['secret']).not.toBe(secret);
});

it.each([
  [{ credential: 'psk' }, 'neither newt nor certificate'],
  [{ credential: 'certificate', endpoint: 'http://127.0.0.1:1' }, 'DEVICE_TLS_PORT'],
  [
    { credential: 'certificate', tlsClientCertFile: 'c.pem', tlsClientKey: 'k.pem' },
    'a client certificate of your own',
  ],
])('%j ends with 78 and says what is wrong', async (cli, text) => {
  expect(await start(cli).agent.done).toMatchObject({ code: 78, message: expect.stringContaining(text) });
});

it('a template of another kind ends with 78 and says so', async () => {
  server.reply = (granted) => ({
    ...granted,
    body: { device_id: DEVICE, api_key: 'sk_live_x', credential_type: 'api_key' },
  });
  const first = TestAgent.start({}, {});
  await first.agent.done;
  writeFileSync(join(first.folder, 'ca.pem'), server.ca);
  const agent = start({ credential: 'certificate', provisioningKey: KEY }, { folder: first.folder });
  expect(await agent.agent.done).toMatchObject({
    code: 78,
    message: expect.stringContaining('issues credentials of the type api_key'),
  });
});

it('a refusal of the devices’ endpoint is one, and a portal’s is none', async () => {
  server.reply = () => ({ status: 403, body: { error: 'forbidden' } });
  const starting = enrolled();
  await server.fake.until(() => server.claims.length === 1);
  const agent = agents[0] as TestAgent;
  const retry = await agent.waitsFor('claim-retry');
  server.reply = () => ({ status: 403, body: { error: 'permission_denied' } });
  retry.wake();
  const refused = await agent.waitsFor('claim-refused');
  expect(agent.output).toContain('the provisioning key was refused');
  server.reply = undefined;
  refused.wake();
  await starting;
});
