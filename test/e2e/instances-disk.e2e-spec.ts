import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeInstances } from '../support/fake-instances.js';
import { KEY } from '../support/fake-server.js';
import { Machine } from '../support/runner.js';
import { until } from '../support/server.js';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-disk-'));
/** Only root may mount, and not in every container. */
const mounted = mount();

function mount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

afterAll(() => {
  if (mounted) execFileSync('umount', ['-l', folder]);
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!mounted)('the disk of an instance is full', () => {
  let instances: FakeInstances;
  let machine: Machine;
  beforeEach(async () => {
    instances = await FakeInstances.start();
    machine = new Machine({ endpoint: instances.url, provisioningKey: KEY }, folder);
  });
  afterEach(async () => {
    rmSync(ballast, { force: true });
    await machine.remove();
    await instances.stop();
  });
  const ballast = join(folder, 'ballast');
  const fill = () => {
    for (const size of [65_536, 4_096, 512])
      try {
        for (;;) writeFileSync(ballast, Buffer.alloc(size), { flag: 'a' });
      } catch {
        // full, to the size
      }
  };
  const started = async () => {
    const runner = machine.start({}, ['COLOUR']);
    await until(() => machine.ran.length === 1);
    await instances.acknowledged('applied');
    await instances.server.session(1);
    await until(() => machine.facts().bundle !== undefined);
    return runner;
  };

  it('before the claim: none is sent, 73', async () => {
    fill();
    expect((await machine.start().done).code).toBe(73);
    expect(instances.server.claims).toEqual([]);
    expect(machine.ran).toEqual([]);
  });

  it.each(['bundle', 'lease'] as const)(
    'after the claim, at the request for the %s: nothing runs, 73',
    async (path) => {
      instances.answers[path] = () => void fill();
      expect((await machine.start().done).code).toBe(73);
      expect(machine.ran).toEqual([]);
      rmSync(ballast);
      instances.answers = {};
      const runner = await started();
      expect(instances.server.sites).toHaveLength(1);
      expect(instances.clones).toBe(0);
      runner.signal('SIGTERM');
      expect((await runner.done).code).toBe(0);
    },
  );

  it('while the program runs: it goes on; a bundle fails, and is applied when there is room', async () => {
    instances.offered = { env: { COLOUR: ['red'] } };
    await started();
    fill();
    instances.offer({ env: { COLOUR: ['blue'] }, files: [{ path: 'f', mode: '0400', content: ['x'.repeat(9000)] }] });
    const wait = await machine.waitsFor('bundle-retry');
    expect(machine.ran).toEqual(['ran red']);
    machine.clock.pass(60_000_000);
    (await machine.waitsFor('lease')).wake();
    await until(() => machine.output.includes('cannot be written'));
    rmSync(ballast);
    wait.wake();
    await instances.acknowledged('applied');
    await until(() => machine.ran.at(-1) === 'ran blue');
  });

  describe('and the bundles are elsewhere', () => {
    const bundleDir = mkdtempSync(join(tmpdir(), 'gatehouse-bundles-'));
    afterAll(() => rmSync(bundleDir, { recursive: true, force: true }));
    const offeredAndFull = (change: object) => {
      instances.answers.bundleAck = () => void fill();
      instances.offer(change);
    };
    beforeEach(async () => {
      instances.offered = { env: { COLOUR: ['red'] } };
      machine = new Machine({ endpoint: instances.url, provisioningKey: KEY, bundleDir }, folder);
      await started();
    });

    it('the server is told of a bundle that fails, and the bundle is tried again', async () => {
      offeredAndFull({ env: { COLOUR: [{ env: 'NOT_SET', line: 1, column: 1 }] } });
      expect((await instances.acknowledged('failed')).reason).toContain('NOT_SET');
      await machine.waitsFor('bundle-retry');
      expect(machine.facts()).not.toHaveProperty('failed');
    });

    it('the program runs with a new bundle, which counts as applied when there is room', async () => {
      offeredAndFull({ env: { COLOUR: ['blue'] } });
      await until(() => machine.ran.at(-1) === 'ran blue');
      const wait = await machine.waitsFor('bundle-retry');
      expect(machine.facts().applied).toBe(instances.version - 1);
      instances.answers = {};
      rmSync(ballast);
      wait.wake();
      await instances.acknowledged('applied');
      expect(machine.facts().applied).toBe(instances.version);
      expect(machine.ran).toEqual(['ran red', 'ended', 'ran blue']);
    });
  });

  it('when the site is over: the program ends, and nothing starts again, also without the server', async () => {
    const runner = await started();
    fill();
    await instances.revoke();
    expect((await runner.done).code).toBe(77);
    const ran = machine.ran.length;
    for (const path of ['bundle', 'lease', 'trust'] as const)
      instances.answers[path] = () => ({ status: 0, cut: true });
    instances.server.on.token = () => ({ status: 0, cut: true });
    expect((await machine.start({ provisioningKey: '' }).done).code).not.toBe(0);
    expect(machine.ran).toHaveLength(ran);
  });
});
