import 'reflect-metadata';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AGENT_PATHS, CREDENTIAL_PATHS, type ProvisionRequest, type RenewRequest } from '#contracts';
import { TestAgent } from '../support/agent.js';
import { selfSigned, TestAuthority } from '../support/certificate.js';
import {
  type FakeRequest,
  FakeServer,
  type FakeSession,
  KEY,
  type Reply,
  unusableCredential,
} from '../support/fake-server.js';

const HOUR = 3_600_000;
const DEVICE = '6f3b2c1e-0000-4000-8000-000000000001';
let server: FakeServer;
let authority: TestAuthority;
let ca: string;
let agents: TestAgent[];
/** Fingerprints of certificates, as they are good: the current one, then those that were not used yet. */
let issued: string[];
let claims: ProvisionRequest[];
let renewals: RenewRequest[];
/** In place of the answer to a claim or renewal, which is issued all the same. */
let reply: ((granted: Reply) => Reply) | undefined;
let expired: boolean;

beforeEach(async () => {
  const { cert, key } = await selfSigned('0b');
  authority = await TestAuthority.create();
  server = await FakeServer.start({ cert, key, requestCert: true, rejectUnauthorized: false });
  ca = cert;
  [agents, issued, claims, renewals] = [[], [], [], []];
  reply = undefined;
  expired = false;
  server.on.other = answer;
});
afterEach(async () => {
  for (const agent of agents) await agent.remove();
  await server.stop();
});

async function answer({ url, text, certificate = '' }: FakeRequest): Promise<Reply | undefined> {
  const known = issued.indexOf(certificate);
  switch (url) {
    case AGENT_PATHS.provision: {
      const request = JSON.parse(text) as ProvisionRequest;
      claims.push(request);
      return give(request.csr, { device_id: DEVICE, api_key: '' });
    }
    case AGENT_PATHS.getDeviceToken:
      if (known < 0) return unusableCredential();
      if (expired && known === 0)
        return {
          ...unusableCredential(),
          body: { ...(unusableCredential().body as object), data: { renewable: true } },
        };
      issued = [certificate];
      return server.newToken(DEVICE);
    case CREDENTIAL_PATHS.renew: {
      if (known < 0) return unusableCredential();
      const request = JSON.parse(text) as RenewRequest;
      renewals.push(request);
      return give(request.csr, {});
    }
    default:
      return undefined;
  }
}

async function give(csr = '', more: object): Promise<Reply> {
  const { certificate, fingerprint } = await authority.sign(csr);
  issued.push(fingerprint);
  const expires_at = new Date(Date.now() + 3 * HOUR).toISOString();
  const body = {
    ...more,
    credential_type: 'certificate',
    certificate,
    certificate_chain: authority.certificate,
    expires_at,
  };
  const granted = { status: 201, body };
  return reply?.(granted) ?? granted;
}

function start(cli: object = {}, options: Parameters<typeof TestAgent.start>[1] = {}): TestAgent {
  const file = join(options.folder ?? '/nowhere', 'ca.pem');
  const agent = TestAgent.start(
    { endpoint: server.url, ...cli, ...(options.folder ? { tlsClientCa: [file] } : {}) },
    options,
  );
  agents.push(agent);
  return agent;
}

/** An agent that claims, and is connected. */
async function enrolled(): Promise<{ agent: TestAgent; session: FakeSession }> {
  const first = TestAgent.start({}, {}); // makes its folder, and ends for want of an endpoint
  await first.agent.done;
  writeFileSync(join(first.folder, 'ca.pem'), ca);
  const agent = start({ credential: 'certificate', provisioningKey: KEY }, { folder: first.folder });
  return { agent, session: await welcomed() };
}

async function welcomed(n = 1): Promise<FakeSession> {
  const ended = (agents.at(-1) as TestAgent).agent.done.then((end) => {
    throw new Error(`the agent ended with ${end.code}: ${end.message}`);
  });
  const session = await Promise.race([server.session(n), ended]);
  ended.catch(() => undefined);
  session.welcome();
  return session;
}

it('claims a certificate for a key of its own, and has its sessions by it', async () => {
  const { agent } = await enrolled();
  expect(claims).toMatchObject([
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
  expect(claims).toHaveLength(1);
});

it('claims again as the same device when the answer was lost, and uses the certificate that came', async () => {
  let lost = true;
  reply = (granted) => (lost ? { status: 0, cut: true } : granted);
  const starting = enrolled();
  await server.until(() => claims.length === 1);
  const agent = agents[0] as TestAgent;
  const retry = await agent.waitsFor('claim-retry');
  lost = false;
  retry.wake();
  await starting;
  expect(new Set(claims.map(({ hardware_id, claim_nonce }) => `${hardware_id} ${claim_nonce}`)).size).toBe(1);
  expect(issued).toHaveLength(1);
});

it('renews with another key after two thirds of its life, also when an answer was lost', async () => {
  const { agent } = await enrolled();
  const before = agent.file();
  let lost = true;
  reply = (granted) => (lost ? { status: 0, cut: true } : granted);
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
  expect(new Set(renewals.map(({ csr }) => csr)).size).toBe(2);
});

it('asks for the next one when a session says that there is to be one', async () => {
  const { agent, session } = await enrolled();
  const { secret } = agent.file();
  session.send('agent/credential', {});
  await welcomed(2);
  expect(agent.file()['secret']).not.toBe(secret);
  expect(issued).toHaveLength(1);
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
  expired = true;
  start({}, { folder: agent.folder });
  await server.until(() => renewals.length === 1);
  await server.until(() => server.sessions.length === 2);
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
  reply = (granted) => ({ ...granted, body: { device_id: DEVICE, api_key: 'sk_live_x', credential_type: 'api_key' } });
  const first = TestAgent.start({}, {});
  await first.agent.done;
  writeFileSync(join(first.folder, 'ca.pem'), ca);
  const agent = start({ credential: 'certificate', provisioningKey: KEY }, { folder: first.folder });
  expect(await agent.agent.done).toMatchObject({
    code: 78,
    message: expect.stringContaining('issues credentials of the type api_key'),
  });
});

it('a refusal of the devices’ endpoint is one, and a portal’s is none', async () => {
  reply = () => ({ status: 403, body: { error: 'forbidden' } });
  const starting = enrolled();
  await server.until(() => claims.length === 1);
  const agent = agents[0] as TestAgent;
  const retry = await agent.waitsFor('claim-retry');
  reply = () => ({ status: 403, body: { error: 'permission_denied' } });
  retry.wake();
  const refused = await agent.waitsFor('claim-refused');
  expect(agent.output).toContain('the provisioning key was refused');
  reply = undefined;
  refused.wake();
  await starting;
});
