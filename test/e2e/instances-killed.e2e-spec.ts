import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
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
