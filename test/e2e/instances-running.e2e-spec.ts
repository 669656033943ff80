import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { INSTANCE_PATHS } from '#contracts';
import type { Runner } from '../../libs/agent/src/instance/runner.js';
import { FakeInstances } from '../support/fake-instances.js';
import { envelope, KEY } from '../support/fake-server.js';
import { sealed, signingKey } from '../support/instance-authority.js';
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
const noted = (lines: string[]) => until(() => JSON.stringify(machine.ran) === JSON.stringify(lines));

/** A program that runs, its bundle applied, its session open. */
async function started(cli: Record<string, string> = {}): Promise<Runner> {
  const runner = machine.start(cli, ['COLOUR']);
  await until(() => machine.ran.length === 1);
  await instances.acknowledged('applied');
  await instances.server.session(1);
  return runner;
}
/** From here on no websocket gets through. */
function noSessions(): void {
  instances.server.on.upgrade = () => ({ status: 502 });
  for (const { socket } of instances.server.sessions) socket.terminate();
}
function away(): void {
  for (const path of ['bundle', 'lease', 'bundleAck', 'trust'] as const)
    instances.answers[path] = () => ({ status: 0, cut: true });
  instances.server.on.token = () => ({ status: 0, cut: true });
  for (const { socket } of instances.server.sessions) socket.terminate();
}
const colour = (name: string) => ({ env: { COLOUR: [name] }, run: run() });

describe('a new bundle', () => {
  beforeEach(() => (instances.offered = colour('red')));

  it('is told by the session, fetched, and the program starts again with it', async () => {
    await started();
    const lease = instances.leases.length;
    instances.offer(colour('blue'));
    await instances.acknowledged('applied');
    await noted(['ran red', 'ended', 'ran blue']);
    expect(instances.leases.slice(lease)).toMatchObject([{ ver: instances.version }]);
    expect(machine.facts()).toMatchObject({ applied: instances.version, bundle: { version: instances.version } });
  });

  it('is asked for where no session gets through', async () => {
    await started();
    noSessions();
    instances.offer(colour('blue'));
    (await machine.waitsFor('reconnect')).wake();
    await instances.acknowledged('applied');
    await noted(['ran red', 'ended', 'ran blue']);
  });

  it('that the server cannot take note of is said to be applied again, though the session stays', async () => {
    await started();
    let refusals = 0;
    instances.answers.bundleAck = ({ text }) =>
      (JSON.parse(text) as { state: string }).state === 'applied' && refusals++ < 2 ? { status: 503 } : undefined;
    instances.offer(colour('blue'));
    for (let i = 0; i < 2; i++) (await machine.waitsFor('untold')).wake();
    await instances.acknowledged('applied');
    expect(refusals).toBe(3);
    expect(instances.server.sessions).toHaveLength(1);
  });

  it('of the same contents changes nothing, and is applied', async () => {
    await started();
    instances.offer(colour('red'));
    await instances.acknowledged('applied');
    expect(machine.ran).toEqual(['ran red']);
  });

  it('that fails before the change leaves the program on the old one, is acknowledged, and tried again', async () => {
    const runner = await started();
    const dependency = {
      name: 'model',
      url: [`${instances.url}/model`],
      sha256: '0'.repeat(64),
      size: 5,
      path: 'model',
      mode: '0400',
    };
    instances.server.files.set('/model', 'wrong');
    instances.offer({ ...colour('blue'), dependencies: [dependency] });
    expect(await instances.acknowledged('failed')).toMatchObject({ reason: 'digest' });
    instances.acks.length = 0;
    (await machine.waitsFor('bundle-retry')).wake();
    await instances.acknowledged('failed');
    expect(machine.ran).toEqual(['ran red']);
    expect(machine.facts()).toMatchObject({ failed: { version: instances.version, reason: 'digest' } });
    instances.offer(colour('green')); // it does not wait for the other one's next try
    await noted(['ran red', 'ended', 'ran green']);
    await instances.acknowledged('applied');
    expect(machine.facts()).not.toHaveProperty('failed'); // that was an older one
    runner.signal('SIGTERM');
    await runner.done;
  });

  it.each([
    ['not sealed', () => instances.statement()],
    ['older', async () => sealed(await instances.statement({ ver: 3 }), instances.bundleKey)],
    [
      'of a stranger',
      async () => sealed(await instances.authority.statement({}, {}, signingKey()), instances.bundleKey),
    ],
  ])('that is %s changes nothing', async (_what, token) => {
    await started();
    instances.answers.bundle = async () => instances.bundleReply(await token(), '"other"');
    instances.offer(colour('blue'));
    (await machine.waitsFor('bundle-retry')).wake();
    await machine.waitsFor('bundle-retry');
    expect(machine.ran).toEqual(['ran red']);
    instances.answers = {};
    (await machine.waitsFor('bundle-retry')).wake();
    await noted(['ran red', 'ended', 'ran blue']);
  });

  it('that the server gives no lease for is asked for again after a pause, and applied when it does', async () => {
    await started();
    instances.answers.lease = async ({ text }) =>
      envelope(200, { lease: await instances.leaseFor(JSON.parse(text), { digest: 'x'.repeat(43) }) });
    const fetches = () => instances.requests.filter(({ url }) => url === INSTANCE_PATHS.bundle).length;
    const before = fetches();
    instances.offer(colour('blue'));
    const wait = await machine.waitsFor('bundle-retry');
    expect(fetches()).toBe(before + 1);
    expect(machine.output).toContain('the lease is for another one');
    instances.answers = {};
    wait.wake();
    await instances.acknowledged('applied');
    await noted(['ran red', 'ended', 'ran blue']);
  });

  it('that the program does not become ready with is failed, and the one before runs again', async () => {
    await started();
    instances.offer({
      ...colour('blue'),
      run: run({ ready: { file: 'never', timeoutSeconds: 1 } }),
    });
    expect((await instances.acknowledged('failed')).reason).toBeTruthy();
    await noted(['ran red', 'ended', 'ran blue', 'ended', 'ran red']);
    expect(machine.facts().bundle?.version).toBe(instances.version - 1);
    const asked = instances.requests.length;
    instances.tell(); // the same version is not tried again: the program has shown what becomes of it
    instances.offer(colour('red'));
    await instances.acknowledged('applied');
    expect(instances.requests.slice(asked).filter(({ url }) => url === INSTANCE_PATHS.bundle)).toHaveLength(1);
    expect(machine.ran.at(-1)).toBe('ran red');
  });
});

describe('the lease of a running program', () => {
  it('is renewed after two thirds of its time, in its chain', async () => {
    await started();
    for (let at = 0; instances.leases.length < 3; at += 600_000) {
      expect(at).toBeLessThan(2.1 * DAY);
      (await machine.waitsFor('lease')).wake();
      await machine.waitsFor('lease');
      if (instances.leases.length === 1) expect(at).toBeLessThan(0.7 * DAY);
      else expect(at).toBeGreaterThan(0.5 * DAY);
    }
    expect(instances.leases.map(({ prev }) => prev)).toEqual([
      null,
      instances.leases[0]?.granted,
      instances.leases[1]?.granted,
    ]);
    expect(instances.clones).toBe(0);
  });

  it('shows a copy of the state', async () => {
    await started();
    const copied = machine.facts();
    const renew = async (to: number) => {
      while (instances.leases.length < to) {
        (await machine.waitsFor('lease')).wake();
        await machine.waitsFor('lease');
      }
    };
    await renew(3);
    expect(instances.clones).toBe(0);
    await machine.stopAll();
    machine.changeFacts({ lease: copied.lease as never });
    await started();
    expect(instances.clones).toBe(1);
  });

  const toTheEnd = async () => {
    for (let at = 0; at < 2.1 * DAY; at += DAY / 8) {
      machine.clock.pass(DAY / 8);
      const wait = await Promise.race([machine.waitsFor('lease'), ended]);
      if (!wait) return;
      wait.wake();
      await Promise.race([until(() => machine.clock.isAwaited('lease')), ended]);
    }
  };
  let ended: Promise<undefined>;

  it.each([
    ['keep', 'ran'],
    ['stop', 'ended'],
  ])('ends while the server is away: onExpire %s', async (onExpire, last) => {
    instances.offered = { run: run({ onExpire }) };
    const runner = await started();
    ended = runner.done.then(() => undefined);
    away();
    await toTheEnd();
    await until(() => machine.ran.at(-1) === last);
    if (onExpire === 'stop') expect((await runner.done).code).toBe(69);
    else expect(machine.output).toContain('lease and offline grace have ended; the program goes on');
  });

  it.each([
    ['suspended', 75],
    ['refused without a statement', 77],
  ])('of a site that is %s: the program runs until it has ended, with the grace', async (what, code) => {
    instances.offered = { run: run() };
    const runner = await started();
    ended = runner.done.then(() => undefined);
    if (what === 'suspended') instances.status = 'pending';
    else await instances.revoke(true);
    machine.clock.pass(DAY * 1.9);
    (await machine.waitsFor('lease')).wake();
    await until(() => machine.clock.isAwaited('lease'));
    expect(machine.ran).toEqual(['ran']);
    await toTheEnd();
    expect((await runner.done).code).toBe(code);
    expect(machine.ran).toEqual(['ran', 'ended']);
    expect(machine.file()).toHaveProperty('secret');
  });
});

describe('a lease whose answer is lost', () => {
  const FIVE_MINUTES = 5 * 60_000;
  it.each([
    ['is asked for again by the same request', 0, 1],
    ['is asked for anew when that was long ago', FIVE_MINUTES, 2],
  ])('%s', async (_, later, nonces) => {
    instances.offered = colour('red');
    let lost = 0;
    instances.lose = (path) => path === 'lease' && lost++ === 0;
    machine.start({ wait: 'forever' }, ['COLOUR']);
    const retry = await machine.waitsFor('bundle-retry');
    machine.clock.pass(later);
    retry.wake();
    await instances.acknowledged('applied');
    expect(new Set(instances.leases.map(({ nonce }) => nonce)).size).toBe(nonces);
    expect(instances.leases).toHaveLength(2);
  });
});

describe('answers that are lost', () => {
  it('at every request, once each: one site, one program, no clone', async () => {
    instances.offered = { run: run(), env: { COLOUR: ['red'] } };
    const seen = new Set<string>();
    const lost = (what: string) => !seen.has(what) && seen.add(what) && { status: 0, cut: true };
    const { claim, token } = instances.server.on;
    instances.server.on.claim = (request, granted) => {
      const reply = claim!(request, granted);
      return lost('claim') || reply;
    };
    instances.server.on.token = (request, granted) => {
      const reply = token!(request, granted);
      return lost('token') || reply;
    };
    instances.lose = (path) => Boolean(lost(path));
    const runner = machine.start({ wait: 'forever' }, ['COLOUR']);
    // The bundle, the keys that it is verified with, the lease.
    for (const wait of ['claim-retry', 'bundle-retry', 'bundle-retry', 'bundle-retry'])
      (await machine.waitsFor(wait)).wake();
    await noted(['ran red']);
    (await machine.waitsFor('get-token-retry')).wake();
    await instances.acknowledged('applied');
    expect([...seen].sort()).toEqual(['bundle', 'bundleAck', 'claim', 'lease', 'token', 'trust']);
    expect(instances.server.sites).toHaveLength(1);
    expect(instances.clones).toBe(0);
    runner.signal('SIGTERM');
    expect((await runner.done).code).toBe(0);
  });
});
