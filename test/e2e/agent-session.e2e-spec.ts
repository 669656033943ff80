import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentOptions } from '../../libs/agent/src/index.js';
import { TestAgent } from '../support/agent.js';
import { FakeServer, type FakeSession, type Reply } from '../support/fake-server.js';

let server: FakeServer;
let agents: TestAgent[];
beforeEach(async () => {
  server = await FakeServer.start();
  server.sites.push({ newtId: 'n1', secrets: ['s1'] });
  agents = [];
});
afterEach(async () => {
  for (const agent of agents) await agent.remove();
  await server.stop();
});

function start(cli: object = {}, options: Partial<AgentOptions> = {}): TestAgent {
  const agent = TestAgent.start({ endpoint: server.url, id: 'n1', secret: 's1', ...cli }, options);
  agents.push(agent);
  return agent;
}

async function welcomed(agent: TestAgent, n = 1): Promise<FakeSession> {
  const session = await server.session(n);
  session.welcome();
  await agent.waitsFor('heartbeat');
  return session;
}

describe('the session', () => {
  it('carries the token in a header, never in the URL, and says hello first', async () => {
    start();
    const session = await server.session();
    expect(session.request.url).toBe('/api/v1/ws?clientType=newt');
    expect(session.request.headers.authorization).toMatch(/^Bearer .+/);
    expect(session.received[0]).toEqual({
      type: 'agent/hello',
      data: {
        protocol: 1,
        version: expect.any(String),
        capabilities: ['tunnel.h2'],
        facts: expect.objectContaining({ hostname: expect.any(String), arch: process.arch }),
      },
    });
  });

  it('asks for tunnels once a state has said what they may lead to', async () => {
    const agent = start();
    const session = await server.session();
    session.welcome({ tunnel: { connections: 1, endpoints: [''] } });
    await agent.waitsFor('heartbeat');
    session.send('error', { message: 'passes' });
    await expect.poll(() => agent.output).toContain('passes');
    // One was for the session.
    expect(server.tokenRequests).toHaveLength(1);
    session.send('agent/state', { version: 1, status: 'approved' });
    await server.until(() => server.paths.includes('UPGRADE /api/v1/tunnel'));
  });

  it('applies states one at a time and acknowledges each, skipping what was overtaken', async () => {
    const applied: number[] = [];
    let release: () => void = () => undefined;
    const agent = start(
      {},
      {
        apply: async (state) => {
          if (state.version === 1) await new Promise<void>((resolve) => (release = resolve));
          if (state.version === 4) throw new Error('no room');
          applied.push(state.version);
        },
      },
    );
    const session = await welcomed(agent);
    for (const version of [1, 2, 3]) session.send('agent/state', { version, status: 'approved' });
    session.send('error', { message: 'passes' });
    await expect.poll(() => agent.output).toContain('passes');
    release();
    await server.until(() => session.of('agent/applied').length === 2);
    session.send('agent/state', { version: 2, status: 'approved' });
    session.send('agent/state', { version: 4, status: 'approved' });
    await server.until(() => session.of('agent/applied').length === 3);
    expect(session.of('agent/applied')).toEqual([
      { version: 1, ok: true },
      { version: 3, ok: true },
      { version: 4, ok: false, error: 'no room' },
    ]);
    expect(applied).toEqual([1, 3]);
    (await agent.waitsFor('heartbeat')).wake();
    await server.until(() => session.of('agent/heartbeat').length === 1);
    expect(session.of('agent/heartbeat')).toEqual([{ version: 3 }]);
  });

  it('takes the first state of a new session even when its version went back', async () => {
    const agent = start();
    const first = await welcomed(agent);
    first.send('agent/state', { version: 9, status: 'approved' });
    await server.until(() => first.of('agent/applied').length === 1);
    first.socket.close(1012);
    (await agent.waitsFor('reconnect')).wake();
    const second = await welcomed(agent, 2);
    second.send('agent/state', { version: 5, status: 'approved' });
    await server.until(() => second.of('agent/applied').length === 1);
    expect(second.of('agent/applied')).toEqual([{ version: 5, ok: true }]);
  });

  it('beats every heartbeatSeconds, a tenth more or less', async () => {
    for (const [random, seconds] of [
      [0, 18],
      [0.5, 20],
      [1, 22],
    ] as const) {
      const agent = start({}, { random: () => random });
      const session = await server.session(agents.length);
      session.welcome({ heartbeatSeconds: 20 });
      expect((await agent.waitsFor('heartbeat')).ms).toBeCloseTo(seconds * 1000);
    }
  });

  it('survives whatever it is sent', async () => {
    const agent = start();
    const session = await welcomed(agent);
    for (const text of [
      '',
      '{',
      '[]',
      '{"type":7}',
      '{"type":"agent/state"}',
      '{"type":"agent/state","data":{"version":-1}}',
      '{"type":"newt/wg/connect","data":{}}',
      '{"type":"agent/welcome"}',
    ]) {
      session.socket.send(text);
    }
    session.socket.send(Buffer.from([1, 2, 3]));
    session.send('agent/state', { version: 1, status: 'approved', later: { unknown: true } });
    await server.until(() => session.of('agent/applied').length === 1);
    expect(session.closed).toBeUndefined();
  });

  it('follows pending to approved without a reconnect', async () => {
    const agent = start();
    const session = await server.session();
    session.welcome({ status: 'pending' });
    session.send('agent/state', { version: 1, status: 'pending' });
    session.send('agent/state', { version: 2, status: 'approved', config: { a: 1 } });
    await server.until(() => session.of('agent/applied').some((one) => (one as { version: number }).version === 2));
    await expect.poll(() => agent.output).toMatch(/pending[\s\S]*approved/);
    expect(server.sessions).toHaveLength(1);
  });

  it('marks the health file while connected', async () => {
    const agent = start();
    const healthFile = join(agent.folder, 'healthy');
    const watched = start({ healthFile });
    const session = await server.session(2);
    expect(existsSync(healthFile)).toBe(false);
    session.welcome();
    await watched.waitsFor('heartbeat');
    expect(readFileSync(healthFile, 'utf8')).toBe('ok');
    session.socket.close(1012);
    await watched.waitsFor('reconnect');
    expect(existsSync(healthFile)).toBe(false);
  });
});

describe('coming back', () => {
  it('fetches a new token and backs off exponentially, starting over after a steady session', async () => {
    const agent = start();
    const waits: number[] = [];
    for (let n = 1; n <= 3; n++) {
      (await welcomed(agent, n)).socket.terminate();
      const wait = await agent.waitsFor('reconnect');
      waits.push(wait.ms);
      wait.wake();
    }
    expect(waits).toEqual([1500, 2500, 4500]);
    const steady = await welcomed(agent, 4);
    agent.clock.pass(61_000);
    steady.socket.terminate();
    expect((await agent.waitsFor('reconnect')).ms).toBe(1500);
    expect(server.tokenRequests).toHaveLength(4);
  });

  it('waits as long as the server hinted', async () => {
    const agent = start();
    const session = await welcomed(agent);
    session.send('agent/reconnect', { afterMs: 4321 });
    session.socket.close(1012);
    expect((await agent.waitsFor('reconnect')).ms).toBe(4321);
  });

  it.each([
    [0, 60_000],
    [0.5, 90_000],
    [1, 120_000],
  ])('waits 60 to 120 s when replaced (%s)', async (random, ms) => {
    const agent = start({}, { random: () => random });
    (await welcomed(agent)).socket.close(4001);
    expect((await agent.waitsFor('reconnect')).ms).toBe(ms);
  });

  it.each([
    ['revoked', /the credential of site \w+ was revoked/],
    ['rejected', /the site of \w+ was rejected/],
    ['deleted', /the site of \w+ was deleted/],
    ['', /the credential of site \w+ was revoked/],
  ])('ends with 77 when closed as "%s", and says so', async (reason, said) => {
    const agent = start();
    (await welcomed(agent)).socket.close(4003, reason);
    expect(await agent.agent.done).toMatchObject({ code: 77, message: expect.stringMatching(said) });
  });

  it.each<[string, Reply, number]>([
    ['429 with Retry-After', { status: 429, headers: { 'retry-after': '100' } }, 105_000],
    ['429 without', { status: 429 }, 63_000],
    ['503 with Retry-After', { status: 503, headers: { 'retry-after': '10' } }, 10_500],
    ['401', { status: 401 }, 1500],
    ['502', { status: 502 }, 1500],
  ])('after an upgrade answered %s', async (_what, reply, ms) => {
    server.on.upgrade = () => reply;
    const agent = start();
    const wait = await agent.waitsFor('reconnect');
    expect(wait.ms).toBe(ms);
    server.on = {};
    wait.wake();
    await server.session();
  });

  it('drops a link that answers no two pings, and only that', async () => {
    const agent = start();
    const session = await welcomed(agent);
    for (let version = 1; version <= 4; version++) {
      const ping = await agent.waitsFor('ping');
      expect(ping.ms).toBe(15_000);
      ping.wake();
      session.send('agent/state', { version, status: 'approved' });
      await server.until(() => session.of('agent/applied').length === version);
    }
    session.socket.pause(); // reads nothing, answers nothing
    for (let i = 0; i < 3; i++) (await agent.waitsFor('ping')).wake();
    await agent.waitsFor('reconnect');
    expect(agent.output).toContain('the link went silent');
  });

  it('drops a server that does not answer the greeting', async () => {
    const agent = start();
    await server.session();
    (await agent.waitsFor('welcome')).wake();
    expect((await agent.waitsFor('reconnect')).ms).toBe(1500);
  });
});

describe('--no-wait', () => {
  it('ends with 75 while the site is pending', async () => {
    const agent = start({ noWait: true });
    const session = await server.session();
    session.welcome({ status: 'pending' });
    expect(await agent.agent.done).toMatchObject({ code: 75 });
    expect(session.closed).toEqual({ code: 1000 });
  });

  it.each<[string, () => void]>([
    ['no token', () => (server.on.token = () => ({ status: 502 }))],
    ['no session', () => (server.on.upgrade = () => ({ status: 502 }))],
  ])('ends with 69 when there is %s', async (_what, prepare) => {
    prepare();
    expect(await start({ noWait: true }).agent.done).toMatchObject({ code: 69 });
  });

  it('once approved and connected is an agent like any other', async () => {
    const agent = start({ noWait: true });
    (await welcomed(agent)).socket.terminate();
    const wait = await agent.waitsFor('reconnect');
    server.on.token = (_request, granted) => (server.tokenRequests.length === 2 ? { status: 502 } : granted());
    wait.wake();
    (await agent.waitsFor('get-token-retry')).wake();
    (await server.session(2)).welcome({ status: 'pending' });
    await agent.waitsFor('heartbeat');
  });
});

describe('stopping', () => {
  it('closes the session and ends with 0', async () => {
    const agent = start();
    const session = await welcomed(agent);
    expect(await agent.agent.stop()).toEqual({ code: 0, message: 'stopped' });
    await server.until(() => session.closed !== undefined);
    expect(session.closed).toEqual({ code: 1000 });
  });

  it.each(['claim-retry', 'get-token-retry', 'reconnect'])('works while it waits (%s)', async (what) => {
    server.on = {
      claim: () => ({ status: 502 }),
      token: (_request, granted) => (what === 'reconnect' ? granted() : { status: 502 }),
      upgrade: () => ({ status: 502 }),
    };
    const agent = start(what === 'claim-retry' ? { id: '', provisioningKey: 'spk_x.y' } : {});
    await agent.waitsFor(what);
    expect(await agent.agent.stop()).toMatchObject({ code: 0 });
  });
});
