import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Runner } from '../../libs/agent/src/instance/runner.js';
import { FakeInstances } from '../support/fake-instances.js';
import { KEY, type Reply, unusableCredential } from '../support/fake-server.js';
import { signingKey } from '../support/instance-authority.js';
import { Machine } from '../support/runner.js';
import { until } from '../support/server.js';

const DAY = 86_400_000;
let instances: FakeInstances;
let machine: Machine;
beforeEach(async () => {
  instances = await FakeInstances.start();
  machine = new Machine({ endpoint: instances.url, provisioningKey: KEY });
});
afterEach(async () => {
  await machine.remove();
  await instances.stop();
});

const run = (change: object = {}) => ({
  ...instances.authority.payload({ kty: 'OKP', crv: 'X25519', x: '' }).run,
  stopGraceSeconds: 1,
  ...change,
});
const starts = () => machine.ran.filter((line) => line.startsWith('ran')).length;
/** Starts, and stops once the bundle is applied. */
async function once(): Promise<void> {
  const before = starts();
  const runner = machine.start();
  await until(() => starts() === before + 1);
  await instances.acknowledged('applied');
  runner.signal('SIGTERM');
  expect((await runner.done).code).toBe(0);
}
/** A program that runs, its bundle applied, its session open. */
async function started(): Promise<Runner> {
  const runner = machine.start();
  await until(() => starts() === 1);
  await instances.acknowledged('applied');
  await instances.server.session(1);
  return runner;
}
/** From here on no websocket gets through. */
function noSessions(): void {
  instances.server.on.upgrade = () => ({ status: 502 });
  for (const { socket } of instances.server.sessions) socket.terminate();
}
/** What somebody in between answers, who has kept a revocation. */
function refusalWith(notice: object): Reply {
  const { body, ...reply } = unusableCredential();
  return { ...reply, body: { ...(body as object), data: notice } };
}

describe('a site that is over', () => {
  const erased = () => {
    expect(machine.file()).not.toHaveProperty('secret');
    expect(machine.file()).not.toHaveProperty('bundleKey');
    expect(machine.facts()).toMatchObject({ revoked: { reason: 'revoked' } });
    expect(machine.facts().bundle).toBeUndefined();
  };

  it('never starts again, also without the server', async () => {
    await once();
    await instances.revoke();
    expect((await machine.start({ provisioningKey: '' }).done).code).toBe(77);
    erased();
    await instances.stop();
    expect((await machine.start({ provisioningKey: '' }).done).code).toBe(77);
    expect(starts()).toBe(1);
    instances = await FakeInstances.start();
  });

  it('whose erasing was cut short by a power cut is erased at the next start, without the server', async () => {
    await once();
    const before = machine.file();
    await instances.revoke();
    await machine.start({ provisioningKey: '' }).done;
    writeFileSync(machine.configFile, JSON.stringify(before));
    await instances.stop();
    expect((await machine.start({ provisioningKey: '' }).done).code).toBe(77);
    erased();
    instances = await FakeInstances.start();
  });

  it('can be claimed anew with a key', async () => {
    await once();
    await instances.revoke();
    await machine.start({ provisioningKey: '' }).done;
    instances.unrevoke();
    instances.server.sites.length = 0;
    await once();
    expect(machine.facts().revoked).toBeUndefined();
  });

  it('with a key, and without the server, which alone knows whether that may claim it anew: 69, and both is said', async () => {
    await once();
    await instances.revoke();
    await machine.start({ provisioningKey: '' }).done;
    instances.server.on.claim = () => ({ status: 0, cut: true });
    expect((await machine.start().done).code).toBe(69);
    expect(machine.output).toMatch(/is over, as the server has signed.*unless the provisioning key that is given/);
    expect(starts()).toBe(1);
  });

  it('is not believed to be over on the word of a stranger, but does not start either', async () => {
    await once();
    const revocation = await instances.authority.revocation({}, signingKey());
    const refusal = unusableCredential();
    const forged = { ...refusal, body: { ...(refusal.body as object), data: { revocation, successions: [] } } };
    for (const path of ['bundle', 'lease'] as const) instances.answers[path] = () => forged;
    expect((await machine.start().done).code).toBe(77);
    expect(machine.facts().revoked).toBeUndefined();
    expect(machine.file()).toHaveProperty('secret');
  });

  it('or is refused without a statement: what is stored starts nothing, until the server says otherwise', async () => {
    await once();
    await instances.revoke(true);
    expect((await machine.start().done).code).toBe(77);
    for (const path of ['bundle', 'lease'] as const) instances.answers[path] = () => ({ status: 0, cut: true });
    expect(await machine.start().done).toMatchObject({
      code: 69,
      message: expect.stringContaining('refused the credential'),
    });
    expect(starts()).toBe(1);
    instances.unrevoke();
    instances.answers = {};
    await once();
  });
});

describe('a revocation', () => {
  const gone = async (runner: Runner) => {
    expect(await runner.done).toMatchObject({ code: 77 });
    expect(machine.ran).toEqual(['ran', 'ended']);
    expect(machine.file()).not.toHaveProperty('secret');
    expect(machine.facts()).toMatchObject({ revoked: { reason: 'revoked' } });
    expect(existsSync(join(machine.folder, 'bundle', 'current'))).toBe(false);
    expect((await machine.start({ provisioningKey: '' }).done).code).toBe(77);
    expect(machine.ran).toHaveLength(2);
  };
  beforeEach(() => (instances.offered = { run: run() }));

  it('comes by the session, and ends the program', async () => {
    const runner = await started();
    await instances.revoke();
    await gone(runner);
  });

  it('comes with a refusal where no session gets through', async () => {
    const runner = await started();
    noSessions();
    const wait = await machine.waitsFor('reconnect');
    await instances.revoke();
    wait.wake();
    await gone(runner);
  });

  it('is asked for at once where the session is refused, without a word of it', async () => {
    const runner = await started();
    const notice = await instances.notice();
    // The site ends between the token and the session.
    instances.server.on.upgrade = () => {
      for (const path of ['bundle', 'lease'] as const) instances.answers[path] = () => refusalWith(notice);
      return { status: 401 };
    };
    instances.server.sessions[0]!.socket.terminate();
    const reconnect = await machine.waitsFor('reconnect');
    reconnect.wake();
    await gone(runner);
  });

  it('comes with the renewal of a lease', async () => {
    const runner = await started();
    instances.server.on.upgrade = () => ({ status: 502 });
    instances.server.on.token = () => ({ status: 0, cut: true });
    await instances.revoke();
    machine.clock.pass(0.7 * DAY);
    (await machine.waitsFor('lease')).wake();
    await gone(runner);
  });

  it('of a stranger, or of another site, is not believed', async () => {
    const runner = await started();
    const [session] = instances.server.sessions;
    const { authority } = instances;
    for (const revocation of [
      await authority.revocation({}, signingKey()),
      await authority.revocation({ sub: 'other' }),
      await authority.lease({}),
      'x',
    ])
      session?.send('agent/revoked', { revocation, successions: [] });
    await until(() => machine.output.split('a revocation is not believed').length === 5);
    expect(machine.ran).toEqual(['ran']);
    runner.signal('SIGTERM');
    expect((await runner.done).code).toBe(0);
  });

  it('of a former life of the site is not believed, whatever brings it; one of this life is', async () => {
    const first = await started();
    const former = await instances.notice();
    await instances.revoke();
    await first.done;
    instances.unrevoke();
    // Before there is a lease of the new life.
    instances.answers.bundle = () => refusalWith(former);
    const { code } = await machine.start().done;
    expect(code).toBe(77);
    expect(machine.output).toContain('about a former life of this site');
    expect(machine.file()).toHaveProperty('secret');
    instances.answers = {};
    instances.acks.length = machine.lines.length = instances.server.sessions.length = 0;
    const runner = machine.start({ provisioningKey: '' });
    await until(() => machine.ran.length === 3);
    await instances.acknowledged('applied');
    const { iat } = machine.facts().lease!;
    // It begins beside the program.
    const session = await until(() => instances.server.sessions[0]);
    const notice = async (at: number) => ({
      revocation: await instances.authority.revocation({ iat: at }),
      successions: [],
    });
    session.send('agent/revoked', await notice(iat! - 3600));
    await until(() => machine.output.includes('about a former life of this site'));
    expect(machine.ran).toEqual(['ran', 'ended', 'ran']);
    session.send('agent/revoked', await notice(iat! + 1));
    expect((await runner.done).code).toBe(77);
  });

  it('leaves a program that its bundle says to leave', async () => {
    instances.offered = { run: run({ onRevoke: 'ignore' }) };
    const runner = await started();
    await instances.revoke();
    await until(() => machine.facts().revoked !== undefined);
    expect(machine.ran).toEqual(['ran']);
    runner.signal('SIGTERM');
    expect((await runner.done).code).toBe(0);
  });
});
