import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundleKeyPair, publicHalf } from '../../libs/agent/src/instance/bundle-key.js';
import { TestAgent } from '../support/agent.js';
import {
  envelopeError,
  expiredCredential,
  type FakeSession,
  type Reply,
  unusableCredential,
} from '../support/fake-server.js';
import { RenewingServer } from '../support/renewing-server.js';

const HOUR = 3_600_000;
let server: RenewingServer;
let agents: TestAgent[];
beforeEach(async () => {
  server = await RenewingServer.start();
  agents = [];
});
afterEach(async () => {
  for (const agent of agents) await agent.remove();
  await server.fake.stop();
});

const START = Date.UTC(2026, 0, 1);
const inHours = (hours: number) => new Date(START + hours * HOUR).toISOString();
/** A state whose credential is good for three hours. */
const state = (more: object = {}) => ({
  endpoint: server.fake.url,
  id: 'n1',
  secret: 's1',
  issued: { id: 'n1', site: 'n1', expiresAt: inHours(3), renewAt: inHours(2) },
  ...more,
});
function start(file: object = state(), options: { cli?: object; folder?: string } = {}): TestAgent {
  const { cli = {}, folder } = options;
  const agent = TestAgent.start(cli, { file, ...(folder === undefined ? {} : { folder }) });
  agents.push(agent);
  return agent;
}
async function welcomed(n = 1): Promise<FakeSession> {
  const session = await server.fake.session(n);
  session.welcome();
  return session;
}
const usedIds = () => server.fake.tokenRequests.map(({ newtId }) => newtId);
describe('an agent whose credential has an end', () => {
  it('renews it after two thirds of its life, proves the new one, and begins another session at once', async () => {
    server.expiresAt = new Date(Date.now() + 3 * HOUR).toISOString();
    const agent = start();
    const first = await welcomed();
    const wait = await agent.waitsFor('renewal');
    expect(wait.ms).toBe(2 * HOUR);
    wait.wake();
    const second = await welcomed(2);
    expect(first.closed?.code).toBe(1000);
    expect(usedIds()).toEqual(['n1', 'n2']);
    expect(agent.file()).toMatchObject({ id: 'n2', secret: 's2', issued: { id: 'n2', site: 'n1' } });
    expect(agent.file()['next']).toBeUndefined();
    // Its own life is counted by the clock of the server, and by the time that has passed here; of the tenth that is drawn it has drawn half.
    const again = await agent.waitsFor('renewal');
    expect(Math.abs(again.ms - (2 / 3 + 1 / 20) * 3 * HOUR)).toBeLessThan(10_000);
    expect(agent.output).not.toContain('s2');
    const status = JSON.parse(readFileSync(join(agent.folder, 'config.status.json'), 'utf8')) as object;
    const { expiresAt, renewAt } = agent.file()['issued'] as Record<string, string>;
    expect(status).toMatchObject({ newtId: 'n2', credential: { kind: 'newt', expiresAt, renewAt, next: false } });
    agent.agent.reload();
    expect(agent.output).toContain('nothing changed');
    expect(second.closed).toBeUndefined();
  });

  it('asks again for an answer that was lost, and uses the one that it got', async () => {
    let lost = true;
    server.reply = (granted) => (lost ? { status: 0, cut: true } : granted);
    const agent = start();
    const session = await welcomed();
    (await agent.waitsFor('renewal')).wake();
    const retry = await agent.waitsFor('renewal-retry');
    expect(retry.ms).toBeGreaterThanOrEqual(60_000);
    expect(agent.file()).toMatchObject({ id: 'n1', secret: 's1' });
    expect(session.closed).toBeUndefined();
    lost = false;
    retry.wake();
    await welcomed(2);
    expect(usedIds()).toEqual(['n1', 'n3']);
    expect(agent.file()).toMatchObject({ id: 'n3', secret: 's3' });
  });

  it('waits as long as the server says, and goes on with what it has where the server is too old', async () => {
    server.reply = () => ({
      status: 429,
      body: envelopeError(429, 'rate_limited', 'Too many'),
      headers: { 'retry-after': '1800' },
    });
    const agent = start();
    const session = await welcomed();
    (await agent.waitsFor('renewal')).wake();
    const retry = await agent.waitsFor('renewal-retry');
    expect(retry.ms).toBeGreaterThanOrEqual(1_800_000);
    server.reply = () => ({ status: 404, body: envelopeError(404, 'not_found', 'Not found') });
    retry.wake();
    await agent.waitsFor('renewal-retry');
    expect(agent.output).toContain('the server is too old to renew credentials');
    expect(session.closed).toBeUndefined();
  });

  it('opens the challenge that is sealed for its bundle key', async () => {
    const bundleKey = bundleKeyPair({});
    server.bundleKey = publicHalf(bundleKey);
    const agent = start(state({ bundleKey }));
    await welcomed();
    (await agent.waitsFor('renewal')).wake();
    await welcomed(2);
    expect(server.renewals).toEqual([{}, { challenge: 'opened' }]);
    expect(agent.file()).toMatchObject({ id: 'n2', secret: 's2' });
  });

  it('renews one that has expired before anything else, and again when the answer was lost', async () => {
    server.fake.on.token = ({ newtId }, granted) => (newtId === 'n1' ? expiredCredential() : granted());
    let lost = true;
    server.reply = (granted) => (lost ? { status: 0, cut: true } : granted);
    const agent = start(state({ issued: undefined }));
    const retry = await agent.waitsFor('get-token-retry');
    lost = false;
    retry.wake();
    await welcomed();
    expect(usedIds()).toEqual(['n1', 'n1', 'n3']);
    expect(agent.file()).toMatchObject({ id: 'n3', secret: 's3' });
  });

  it('says why it could not renew one that has expired', async () => {
    server.fake.on.token = () => expiredCredential();
    server.bundleKey = publicHalf(bundleKeyPair({})); // of another machine
    const ended = await start(state({ bundleKey: bundleKeyPair({}) })).agent.done;
    expect(ended.code).toBe(77);
    expect(ended.message).toMatch(/it has expired, and the server has sealed for another bundle key/);
  });

  it('ends with 77 and says what to do when the grace is over, and claims anew with a key', async () => {
    server.fake.on.token = ({ newtId }, granted) => (newtId === 'n1' ? unusableCredential() : granted());
    const expired = state({ issued: { id: 'n1', site: 'n1', expiresAt: inHours(-1), renewAt: inHours(-2) } });
    const ended = await start(expired).agent.done;
    expect(ended.code).toBe(77);
    expect(ended.message).toMatch(/expired for longer than it can be renewed: give a provisioning key/);
    const agent = start(expired, { cli: { provisioningKey: server.fake.provisioningKey } });
    await server.fake.session();
    expect(server.fake.claims).toHaveLength(1);
    expect(agent.file()['id']).toBe(server.fake.tokenRequests.at(-1)?.newtId);
  });

  it('that comes by flags is nobody’s to replace: it is told so', async () => {
    const agent = start({}, { cli: { endpoint: server.fake.url, id: 'n1', secret: 's1' } });
    const session = await welcomed();
    expect(session.of('agent/hello')[0]).toMatchObject({ capabilities: ['tunnel.h2'] });
    session.send('agent/credential', { credential: server.next() });
    await agent.waitsFor('heartbeat');
    session.send('agent/state', { version: 1 });
    await server.fake.until(() => session.of('agent/applied').length > 0);
    expect(usedIds()).toEqual(['n1']);
  });
});

describe('an agent that is handed another credential', () => {
  it.each([false, true])('takes it from the session, sealed: %s', async (isSealed) => {
    const bundleKey = bundleKeyPair({});
    server.bundleKey = publicHalf(bundleKey);
    const agent = start(state({ bundleKey, issued: undefined }));
    const session = await welcomed();
    expect(session.of('agent/hello')[0]).toMatchObject({ capabilities: ['tunnel.h2', 'credentials'] });
    const credential = server.next();
    session.send(
      'agent/credential',
      isSealed ? { sealed: await server.seal(JSON.stringify(credential)) } : { credential },
    );
    await welcomed(2);
    expect(usedIds()).toEqual(['n1', 'n2']);
    expect(agent.file()).toMatchObject({ id: 'n2', secret: 's2' });
    expect(session.closed?.code).toBe(1000);
  });

  it('asks for it where it is told to, and takes no harm from what is none', async () => {
    const agent = start();
    const session = await welcomed();
    for (const data of [
      null,
      7,
      { sealed: 'x' },
      { credential: {} },
      { credential: { credential_type: 'psk', psk: 'x' } },
    ])
      session.send('agent/credential', data);
    session.send('agent/credential', {});
    await welcomed(2);
    expect(agent.file()).toMatchObject({ secret: expect.stringMatching(/^s[2-9]$/) });
    expect(agent.output).toContain('the next credential was not taken');
  });

  it('goes on with the one that it has where the other is refused', async () => {
    const agent = start(state({ issued: undefined }));
    const session = await welcomed();
    session.send('agent/credential', {
      credential: { credential_type: 'newt', newt_id: 'x', secret: 'y', expires_at: null },
    });
    await server.fake.until(() => usedIds().includes('x'));
    session.send('agent/credential', { credential: server.next() });
    await welcomed(2);
    expect(agent.file()).toMatchObject({ id: 'n2', secret: 's2' });
  });
});

describe('an agent that starts with a next credential in its state', () => {
  const next = { id: 'n2', secret: 's2' };
  it('tries it first, and makes it the current one', async () => {
    server.next();
    const agent = start(state({ next }));
    await welcomed();
    expect(usedIds()).toEqual(['n2']);
    expect(agent.file()).toMatchObject({ id: 'n2', secret: 's2', issued: { site: 'n1' } });
    expect(agent.file()['next']).toBeUndefined();
  });

  it('uses the current one where the next one is refused', async () => {
    const agent = start(state({ next }));
    await welcomed();
    expect(usedIds()).toEqual(['n2', 'n1']);
    expect(agent.file()).toMatchObject({ id: 'n1', secret: 's1' });
    expect(agent.file()['next']).toBeUndefined();
  });

  it('keeps both while the server does not answer', async () => {
    server.fake.on.token = () => ({ status: 503 });
    const agent = start(state({ next }));
    await agent.waitsFor('get-token-retry');
    expect(agent.file()).toMatchObject({ id: 'n1', secret: 's1', next });
  });

  it('ends with 77 where both are refused', async () => {
    server.fake.on.token = () => unusableCredential();
    expect((await start(state({ next })).agent.done).code).toBe(77);
  });
});

describe('an agent whose next credential has expired before an answer said that it was used', () => {
  /** Good or not, as the server has it; `undefined` is a next credential that the server takes. */
  let standing: Record<string, Reply | undefined>;
  const next = { id: 'n2', secret: 's2', expiresAt: inHours(-1) };
  beforeEach(() => {
    server.next();
    standing = { n1: unusableCredential(), n2: expiredCredential() };
    const { token } = server.fake.on;
    server.fake.on.token = (request, granted) => standing[request.newtId] ?? token!(request, granted);
  });

  it('renews it: the one before is not used', async () => {
    const agent = start(state({ next }));
    await welcomed();
    expect(usedIds()).toEqual(['n2', 'n3']);
    expect(agent.file()).toMatchObject({ id: 'n3', secret: 's3', issued: { id: 'n3', site: 'n1' } });
    expect(agent.file()['next']).toBeUndefined();
  });

  it('keeps both when the answer to the renewal is lost', async () => {
    let lost = true;
    server.reply = (granted) => (lost ? { status: 0, cut: true } : granted);
    const agent = start(state({ next }));
    const retry = await agent.waitsFor('get-token-retry');
    expect(agent.file()).toMatchObject({ id: 'n1', secret: 's1', next });
    lost = false;
    retry.wake();
    await welcomed();
    expect(usedIds()).toEqual(['n2', 'n2', 'n4']);
  });

  it('goes back to the one that was renewed when what came of that is refused', async () => {
    standing['n3'] = unusableCredential();
    const agent = start(state({ next }));
    await welcomed();
    expect(usedIds()).toEqual(['n2', 'n3', 'n2', 'n4']);
    expect(agent.file()).toMatchObject({ id: 'n4', secret: 's4' });
  });

  it('does not renew one after the other where the server takes each for expired', async () => {
    server.fake.on.token = () => expiredCredential();
    const ended = await start(state({ next })).agent.done;
    expect(ended).toMatchObject({ code: 77, message: expect.stringContaining('it has expired') });
    expect(server.renewals.length).toBeLessThan(5);
  });

  it('uses the one before when the time to renew is over meanwhile', async () => {
    standing['n1'] = undefined;
    server.reply = () => unusableCredential();
    const agent = start(state({ next }));
    await welcomed();
    expect(usedIds()).toEqual(['n2', 'n1']);
    expect(agent.file()).toMatchObject({ id: 'n1', secret: 's1' });
    expect(agent.file()['next']).toBeUndefined();
  });

  it('uses the one before where it cannot open the challenge, and tries again at the next start', async () => {
    standing['n1'] = undefined;
    server.bundleKey = publicHalf(bundleKeyPair({})); // of another machine
    const bundleKey = bundleKeyPair({});
    const { token } = server.fake.on;
    server.fake.on.token = (request, granted) =>
      request.newtId === 'n1' ? server.fake.newToken('n1') : token!(request, granted);
    const agent = start(state({ next, bundleKey, issued: undefined }));
    await welcomed();
    expect(usedIds()).toEqual(['n2', 'n1']);
    expect(agent.file()).toMatchObject({ id: 'n1', secret: 's1', next });
    await agent.agent.stop();
    server.bundleKey = publicHalf(bundleKey);
    const again = start(agent.file(), { folder: agent.folder });
    await welcomed(2);
    expect(usedIds()).toEqual(['n2', 'n1', 'n2', 'n3']);
    expect(again.file()).toMatchObject({ id: 'n3', secret: 's3' });
  });

  it('ends with 77 and says why where it cannot renew the only one that is left, and claims nothing in its place', async () => {
    server.bundleKey = publicHalf(bundleKeyPair({})); // of another machine
    const expired = { id: 'n1', site: 'n1', expiresAt: inHours(-2), renewAt: inHours(-3) };
    const agent = start(state({ next, bundleKey: bundleKeyPair({}), issued: expired }), {
      cli: { provisioningKey: server.fake.provisioningKey },
    });
    expect(await agent.agent.done).toMatchObject({
      code: 77,
      message: expect.stringContaining('it has expired, and the server has sealed for another bundle key'),
    });
    expect(server.fake.claims).toEqual([]);
    expect(agent.file()).toMatchObject({ id: 'n1', secret: 's1', next });
  });

  it('takes the statement of a site that is over for what it says', async () => {
    server.bundleKey = publicHalf(bundleKeyPair({})); // of another machine
    standing['n1'] = unusableCredential({ revocation: 'x', successions: [] });
    const ended = await start(state({ next, bundleKey: bundleKeyPair({}) })).agent.done;
    expect(ended).toMatchObject({ code: 77, message: expect.stringContaining('revoked, rejected or deleted') });
  });

  it('renews one that a session has brought', async () => {
    standing = { n3: expiredCredential() };
    const agent = start(state({ issued: undefined }));
    const session = await welcomed();
    session.send('agent/credential', { credential: server.next() });
    await welcomed(2);
    expect(usedIds()).toEqual(['n1', 'n3', 'n4']);
    expect(agent.file()).toMatchObject({ id: 'n4', secret: 's4' });
  });
});

it('a second agent with the same state waits, and begins with what the first has left', async () => {
  const first = start();
  await welcomed();
  const second = start(first.file(), { folder: first.folder });
  (await first.waitsFor('renewal')).wake();
  await welcomed(2);
  agents.splice(agents.indexOf(second), 1);
  await first.agent.stop();
  await server.fake.session(3);
  expect(usedIds()).toEqual(['n1', 'n2', 'n2']);
  expect(second.file()).toMatchObject({ id: 'n2', secret: 's2' });
  await second.agent.stop();
});
