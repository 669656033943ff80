import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeInstances } from '../support/fake-instances.js';
import { envelopeError, KEY } from '../support/fake-server.js';
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

const ran = (times = 1) => until(() => machine.ran.filter((line) => line.startsWith('ran')).length === times);
/** Starts, and stops once the bundle is applied. */
async function once(): Promise<void> {
  const before = starts();
  const runner = machine.start();
  await ran(before + 1);
  await instances.acknowledged('applied');
  runner.signal('SIGTERM');
  expect((await runner.done).code).toBe(0);
}
const starts = () => machine.ran.filter((line) => line.startsWith('ran')).length;

describe('an instance that starts', () => {
  it('claims, fetches, verifies, leases, and only then runs the program, with the variables of its bundle', async () => {
    instances.offered = { env: { WHO: ['instance ', { env: 'SITE', line: 1, column: 1 }] } };
    const env = {
      SITE: 'north',
      NEWT_PROVISIONING_KEY: KEY,
      GATEHOUSE_TRUST_FINGERPRINT: instances.authority.fingerprint,
    };
    const names = ['WHO', 'NEWT_PROVISIONING_KEY', 'GATEHOUSE_TRUST_FINGERPRINT', 'SITE'];
    const runner = machine.start({}, names, env);
    await ran();
    expect(machine.ran).toEqual(['ran instance north,,,north']);
    const [fetched, applied] = [await instances.acknowledged('fetched'), await instances.acknowledged('applied')];
    expect(applied.digest).toBe(fetched.digest);
    expect(instances.leases).toMatchObject([{ prev: null, ver: instances.version }]);
    runner.signal('SIGTERM');
    expect((await runner.done).code).toBe(0);
    expect(machine.ran).toEqual(['ran instance north,,,north', 'ended']);
  });

  it('continues the chain of leases, and asks only whether the bundle is still the one', async () => {
    await once();
    await once();
    expect(instances.leases[1]?.prev).toBe(instances.leases[0]?.granted);
    expect(instances.clones).toBe(0);
    expect(
      instances.requests.filter(({ headers }) => headers['if-none-match'] === `"${instances.version}"`),
    ).toHaveLength(1);
  });

  it('with a wrong key does not, and ends with 77', async () => {
    const runner = machine.start({ provisioningKey: 'spk_wrong.wrong' });
    expect(await runner.done).toMatchObject({ code: 77 });
    expect(machine.ran).toEqual([]);
  });

  it('before the server can be reached does not, and ends with 69 when its patience ends', async () => {
    await instances.stop();
    const runner = machine.start({ wait: '2' });
    (await machine.waitsFor('claim-retry')).wake();
    expect(await runner.done).toMatchObject({ code: 69 });
    expect(machine.ran).toEqual([]);
    instances = await FakeInstances.start();
  });

  it('waits for its approval, and says how an operator finds it', async () => {
    instances.status = 'pending';
    const runner = machine.start();
    await until(() => machine.output.includes('an operator finds this site as calm-otter'));
    expect(machine.ran).toEqual([]);
    instances.approve();
    await ran();
    runner.signal('SIGTERM');
    await runner.done;
  });

  it('while it is pending ends with 75 where it is not to wait', async () => {
    instances.status = 'pending';
    const { code, message } = await machine.start({ noWait: true }).done;
    expect({ code, message }).toEqual({ code: 75, message: expect.stringContaining('calm-otter-x1y2z') });
    expect(machine.ran).toEqual([]);
  });

  it.each([
    ['bundle', 409, 'bundle_unusable', 65, 'no bundle can be made for this site: as the server says'],
    ['bundle', 409, 'bundle_key_missing', 65, 'no bundle can be made for this machine: as the server says'],
    ['lease', 403, 'lease_held', 75, 'as the server says'],
  ] as const)('for which the %s is answered with %i %s ends with %i where it is not to wait', async (...one) => {
    const [path, status, error, code, message] = one;
    await once();
    instances.answers[path] = () => ({ status, body: envelopeError(status, error, 'as the server says') });
    expect(await machine.start({ noWait: true }).done).toEqual({ code, message });
    expect(starts()).toBe(1);
  });

  it('ends with 76 at a server that knows no bundles', async () => {
    instances.answers.bundle = () => ({
      status: 404,
      body: { data: null, success: false, error: true, message: 'Not found', status: 404, code: 'not_found' },
    });
    expect((await machine.start().done).code).toBe(76);
  });

  it('ends with 78 for a variable that is not set here, and tells the server', async () => {
    instances.offered = { env: { A: [{ env: 'NOT_SET', line: 3, column: 7 }] } };
    const { code, message } = await machine.start().done;
    expect({ code, message }).toMatchObject({ code: 78, message: expect.stringMatching(/3:7.*NOT_SET|NOT_SET.*3/) });
    expect((await instances.acknowledged('failed')).reason).toContain('NOT_SET');
    expect(machine.ran).toEqual([]);
  });

  it('refuses a variable beyond --env-allow with 65', async () => {
    instances.offered = { env: { APP_NAME: ['x'], OTHER: ['y'] } };
    expect(await machine.start({ envAllow: ['APP_*'] }).done).toMatchObject({
      code: 65,
      message: expect.stringContaining('OTHER'),
    });
    expect(machine.ran).toEqual([]);
  });

  it('does nothing with a trust fingerprint that is none: 78, and no claim', async () => {
    expect((await machine.start({ trustFingerprint: 'undefined' }).done).code).toBe(78);
    expect(instances.server.claims).toEqual([]);
  });

  it('answers the exit code of the program', async () => {
    const runner = machine.start({}, []);
    await ran();
    runner.signal('SIGQUIT');
    expect((await runner.done).code).toBe(131);
  });
});

describe('what is not the word of the trusted key is refused with 65, and nothing runs', () => {
  type Case = [what: string, prepare: () => void | Promise<void>, message: RegExp];
  const bundle = (token: () => Promise<string>) => {
    instances.answers.bundle = async () => instances.bundleReply(await token());
  };
  const lease = (change: object) => {
    instances.answers.lease = async ({ text }) => ({
      status: 200,
      body: {
        data: { lease: await instances.leaseFor(JSON.parse(text), change) },
        success: true,
        error: false,
        message: '',
        status: 200,
      },
    });
  };
  const resealed = async (statement: Promise<string>) => sealed(await statement, instances.bundleKey);
  const cases: Case[] = [
    ['a bundle stripped of its seal', () => bundle(() => instances.statement()), /not sealed/],
    [
      'a bundle sealed for another key',
      () => bundle(async () => sealed(await instances.statement(), OTHER_KEY)),
      /another key/,
    ],
    ['a bundle bound to another key', () => bundle(() => resealed(instances.statement({ cnf: { jkt: 'x' } }))), /cnf/],
    [
      'a bundle signed by a stranger',
      () => bundle(() => resealed(instances.authority.statement({}, {}, signingKey()))),
      /no succession/,
    ],
    [
      'a tampered bundle',
      () =>
        bundle(async () => {
          const [head, , signature] = (await instances.statement()).split('.');
          const [, other] = (await instances.statement({ env: { X: ['1'] } })).split('.');
          return sealed([head, other, signature].join('.'), instances.bundleKey);
        }),
      /signature/,
    ],
    ['a lease that answers another request', () => lease({ nonce: 'replayed' }), /replay/],
    ['a lease of another site', () => lease({ sub: 'other' }), /another site/],
    ['a lease of another organization', () => lease({ iss: 'other' }), /another organization/],
    ['a lease for another bundle', () => lease({ digest: 'x'.repeat(43) }), /digest/],
    ['a lease for an older version', () => lease({ ver: 1 }), /older/],
  ];
  it.each(cases)('%s', async (_what, prepare, message) => {
    await prepare();
    expect(await machine.start().done).toMatchObject({ code: 65, message: expect.stringMatching(message) });
    expect(machine.ran).toEqual([]);
  });

  it.each([
    ['older than one that was applied', { ver: 5 }, /older than/],
    ['of another site', { sub: 'other', aud: 'other' }, /another site/],
    ['of another organization', { iss: 'other' }, /another organization/],
  ])('a bundle %s, on a machine that had one before', async (_what, change, message) => {
    await once();
    bundle(() => resealed(instances.statement(change)));
    expect(await machine.start().done).toMatchObject({ code: 65, message: expect.stringMatching(message) });
    expect(starts()).toBe(1);
  });

  it('a key that succeeds without having been announced', async () => {
    await once();
    const [thief, after] = [signingKey(), signingKey()];
    const { authority } = instances;
    const forged = await authority.succession(authority.current, thief, after.kid);
    bundle(() => resealed(authority.statement(authority.payload(instances.bundleKey), {}, thief)));
    instances.answers.trust = () => ({
      status: 200,
      body: {
        data: { ...authority.trust(), successions: [forged] },
        success: true,
        error: false,
        message: '',
        status: 200,
      },
    });
    expect(await machine.start().done).toMatchObject({ code: 65, message: expect.stringContaining('was announced') });
    expect(starts()).toBe(1);
  });

  it('but an image that was pinned three keys ago starts, and so does one after a restore (a higher epoch)', async () => {
    const { fingerprint } = instances.authority;
    for (let i = 0; i < 3; i++) await instances.authority.rotate();
    const runner = machine.start({ trustFingerprint: fingerprint });
    await instances.acknowledged('applied');
    runner.signal('SIGTERM');
    await runner.done;
    instances.version += 2 ** 32;
    await once();
  });
});

describe('without the server', () => {
  const away = () => {
    for (const path of ['bundle', 'lease', 'bundleAck', 'trust'] as const)
      instances.answers[path] = () => ({ status: 0, cut: true });
    instances.server.on.token = () => ({ status: 0, cut: true });
  };

  it('starts from what is stored, within lease and grace, and not after them', async () => {
    await once();
    away();
    machine.clock.pass(DAY * 2 - 60_000);
    const runner = machine.start();
    await ran(2);
    runner.signal('SIGTERM');
    await runner.done;
    machine.clock.pass(61_000);
    expect(await machine.start().done).toMatchObject({
      code: 69,
      message: expect.stringContaining('grace have ended'),
    });
    expect(starts()).toBe(2);
  });

  it.each([
    ['set back to 1970', -56 * 365 * DAY],
    ['set back by a day', -DAY],
  ])('a clock that was %s does not lengthen the grace', async (_what, by) => {
    await once();
    away();
    machine.clock.set(machine.clock.now() + by);
    machine.clock.pass(DAY * 2 + 1000);
    expect((await machine.start().done).code).toBe(69);
  });

  it('a clock that leaps years ahead ends the grace; online it changes nothing', async () => {
    await once();
    machine.clock.set(machine.clock.now() + 3650 * DAY);
    await once();
    away();
    machine.clock.set(machine.clock.now() + 3650 * DAY);
    expect((await machine.start().done).code).toBe(69);
  });

  it('keeps nothing where the grace is zero', async () => {
    instances.offered = {
      run: { ...instances.authority.payload({ kty: 'OKP', crv: 'X25519', x: '' }).run, offlineGraceSeconds: 0 },
    };
    await once();
    expect(machine.facts().bundle).toBeUndefined();
    away();
    expect(await machine.start().done).toMatchObject({
      code: 69,
      message: expect.stringContaining('nothing is stored'),
    });
    expect(starts()).toBe(1);
  });

  it('takes a stored bundle that was changed on disk for none', async () => {
    await once();
    const { digest } = machine.facts().bundle as { digest: string };
    writeFileSync(join(machine.folder, 'config.instance', `${digest}.jwe`), 'x.y.z.a.b');
    away();
    expect((await machine.start().done).code).toBe(69);
    rmSync(join(machine.folder, 'config.instance', `${digest}.jwe`));
    expect((await machine.start().done).code).toBe(69);
    expect(starts()).toBe(1);
  });

  it('a captive portal is no server, and no refusal', async () => {
    await once();
    for (const path of ['bundle', 'lease'] as const)
      instances.answers[path] = () => ({
        status: 401,
        body: '<html>Please log in</html>',
        headers: { 'content-type': 'text/html' },
      });
    const runner = machine.start();
    await ran(2);
    expect(machine.facts().refused).toBeUndefined();
    runner.signal('SIGTERM');
    await runner.done;
  });
});

const OTHER_KEY = { kty: 'OKP', crv: 'X25519', x: Buffer.alloc(32, 9).toString('base64url') } as const;
