import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentBundle, Program } from '../support/agent-process.js';
import { FakeInstances } from '../support/fake-instances.js';
import { KEY } from '../support/fake-server.js';
import { until } from '../support/server.js';

const NAMESPACE = ['--pid', '--fork', '--kill-child', '--mount-proc'];
const runs = (...[file = '', ...args]: string[]) => spawnSync(file, args).status === 0;
/** Only root makes namespaces of processes, and not in every container. */
const isolates = process.platform === 'linux' && runs('unshare', ...NAMESPACE, 'true');
/** Leaves one behind that ends in a session of its own, for process 1 to reap. */
const PROGRAM = `trap 'exit 7' TERM; (setsid sh -c 'exit 0' &); echo up; while :; do sleep 0.05; done`;

let instances: FakeInstances;
let folder: string;
beforeEach(async () => {
  instances = await FakeInstances.start();
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-process-1-'));
});
afterEach(async () => {
  await instances.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The agent as a container has it: process 1, or the child of what is. */
function container(...init: string[]): Program {
  const agent = [process.execPath, join(agentBundle(), 'gatehouse-agent.mjs'), 'run'];
  const flags = ['--config-file', join(folder, 'state.json'), '--endpoint', instances.url, '--provisioning-key', KEY];
  const words = [
    ...NAMESPACE,
    ...init,
    ...agent,
    ...flags,
    '--bundle-dir',
    join(folder, 'b'),
    '--',
    'sh',
    '-c',
    PROGRAM,
  ];
  return new Program(
    spawn('unshare', words, { env: { PATH: process.env['PATH'] ?? '' }, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
}
/** What runs below a process, or has ended and waits to be reaped: its state. */
function below(pid: number): { pid: number; state: string }[] {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,stat=']).toString().trim().split('\n');
  const all = rows.map((row) => row.trim().split(/\s+/) as [string, string, string]);
  const children = all.filter(([, parent]) => Number(parent) === pid);
  return children.flatMap(([one, , state]) => [{ pid: Number(one), state }, ...below(Number(one))]);
}

describe.skipIf(!isolates)('in a container', () => {
  it.each([
    ['as process 1 the agent warns, and is stopped like any program', [], true],
    ...(runs('tini', '--version') ? [['behind tini nothing is left to reap', ['tini', '--'], false] as const] : []),
  ] as const)('%s', async (_what, init, warns) => {
    const program = container(...init);
    await instances.acknowledged('applied');
    await until(() => program.stdout === 'up\n');
    const first = below(program.child.pid!)[0]!.pid;
    if (!warns) await until(() => below(first).every(({ state }) => !state.startsWith('Z')));
    process.kill(first, 'SIGTERM');
    const { code, stderr } = await program.ended;
    expect(code, stderr).toBe(7);
    expect(stderr.includes('this is process 1')).toBe(warns);
  });
});
