import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Program, startAgentProgram } from '../support/agent-process.js';
import { FakeInstances } from '../support/fake-instances.js';
import { KEY } from '../support/fake-server.js';
import { isRunning } from '../support/is-running.mjs';
import { until } from '../support/server.js';

/** Notes its number, and ends only by SIGKILL. */
const STUBBORN = `process.on('SIGTERM', () => {}); require('node:fs').appendFileSync(process.argv[1], process.pid + '\\n'); setInterval(() => {}, 1e6)`;
let instances: FakeInstances;
let folder: string;
beforeEach(async () => {
  instances = await FakeInstances.start();
  const { run } = instances.authority.payload({ kty: 'OKP', crv: 'X25519', x: '' });
  instances.offered = {
    env: { COLOUR: ['red'] },
    run: { ...run, ready: { afterSeconds: 1, timeoutSeconds: 30 }, stopGraceSeconds: 1 },
  };
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-killed-'));
});
afterEach(async () => {
  for (const pid of pids().filter(isRunning)) process.kill(pid, 'SIGKILL');
  await instances.stop();
  rmSync(folder, { recursive: true, force: true });
});

const marker = () => join(folder, 'ran');
const pids = () => (existsSync(marker()) ? readFileSync(marker(), 'utf8').trim().split('\n').map(Number) : []);

function start(program: string, flags: string[] = []): Program {
  const state = join(folder, 'state', 'config.json');
  const args = ['--config-file', state, '--endpoint', instances.url, '--provisioning-key', KEY, '--wait', '0'];
  const words = ['run', '--bundle-dir', join(folder, 'bundle'), ...flags, '--', process.execPath, '-e', program];
  return startAgentProgram([...args, ...words, marker()]);
}

/** A program that runs on, for its agent was killed. */
async function leftBehind(): Promise<number> {
  const agent = start(STUBBORN);
  await until(() => pids().length === 1);
  await instances.acknowledged('applied');
  agent.child.kill('SIGKILL');
  const pid = pids()[0]!;
  expect(isRunning(pid)).toBe(true);
  return pid;
}

function away(): void {
  for (const path of ['bundle', 'lease', 'bundleAck', 'trust'] as const)
    instances.answers[path] = () => ({ status: 0, cut: true });
}
/** As an agent leaves it that was killed between a revocation and the end of its program. */
function erased(): void {
  const state = join(folder, 'state', 'config.json');
  const { id: _id, secret: _secret, bundleKey: _key, ...rest } = JSON.parse(readFileSync(state, 'utf8'));
  writeFileSync(state, JSON.stringify(rest));
  const facts = join(folder, 'state', 'config.instance', 'instance.json');
  const revoked = { at: new Date(0).toISOString(), reason: 'revoked', credential: '' };
  writeFileSync(facts, JSON.stringify({ ...JSON.parse(readFileSync(facts, 'utf8')), revoked }));
}

describe('a program that outlives its killed agent', () => {
  it('is ended, with its files, by the next one that hears of the revocation', async () => {
    const pid = await leftBehind();
    await instances.revoke();
    const { code, stderr } = await start(STUBBORN).ended;
    expect(code, stderr).toBe(77);
    expect(isRunning(pid)).toBe(false);
    expect(pids()).toEqual([pid]);
    expect(readdirSync(join(folder, 'bundle')).filter((name) => name !== 'ready')).toEqual([]);
  });

  it('is ended by the next one that finds nothing which may start', async () => {
    const pid = await leftBehind();
    await instances.revoke(true);
    const { code, stderr } = await start(STUBBORN).ended;
    expect(code, stderr).toBe(77);
    expect(isRunning(pid)).toBe(false);
  });

  it.each([
    ['for the server, with nothing that may start without it', () => away()],
    ['for its approval, since the site was suspended', () => void (instances.status = 'pending')],
  ])('is ended, with its files, by the next one that waits %s', async (_what, wait) => {
    instances.offered = { ...instances.offered, run: { ...instances.offered.run!, offlineGraceSeconds: 0 } };
    const pid = await leftBehind();
    wait();
    const next = start(STUBBORN, ['--wait', 'forever']);
    await until(() => next.stderr.includes('trying again in') || next.stderr.includes('waiting'));
    expect(isRunning(pid)).toBe(false);
    expect(next.child.exitCode).toBe(null);
    expect(readdirSync(join(folder, 'bundle'))).toEqual([]);
    next.child.kill('SIGTERM');
    await next.ended;
    expect(pids()).toEqual([pid]);
  });

  it.each([
    ['is set up wrongly', 78, ['--trust-fingerprint', 'none']],
    ['may claim the site anew, which was over, and is refused', 77, ['--provisioning-key', 'spk_wrong.wrong']],
  ])('is ended by the next one that %s', async (_what, code, flags) => {
    const pid = await leftBehind();
    if (code === 77) erased();
    const { code: ended, stderr } = await start(STUBBORN, flags).ended;
    expect(ended, stderr).toBe(code);
    expect(isRunning(pid)).toBe(false);
  });

  it('is left alone by one that does not get the state file', async () => {
    const agent = start(STUBBORN);
    await instances.acknowledged('applied');
    const { code, stderr } = await start(STUBBORN, ['--no-wait']).ended;
    expect(code, stderr).toBe(75);
    expect(pids().filter(isRunning)).toHaveLength(1);
    agent.child.kill('SIGTERM');
    await agent.ended;
    expect(pids().filter(isRunning)).toEqual([]);
  });
});

it('a program that ends at its first start: the server is told before the agent ends', async () => {
  const { code, stderr } = await start('process.exit(42)').ended;
  expect(code, stderr).toBe(42);
  expect(instances.acks).toContainEqual(
    expect.objectContaining({
      version: instances.version,
      state: 'failed',
      reason: 'it ended with code 42 before it was ready',
    }),
  );
});
