import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Program, startAgentProgram } from '../support/agent-process.js';
import { FakeInstances } from '../support/fake-instances.js';
import { KEY } from '../support/fake-server.js';
import { until } from '../support/server.js';

const PROGRAM = `require('node:fs').appendFileSync(process.argv[1], 'ran\\n'); setInterval(() => {}, 1e6)`;
let instances: FakeInstances;
let folder: string;
let programs: Program[];
beforeEach(async () => {
  instances = await FakeInstances.start();
  instances.offered = { env: { COLOUR: ['red'] }, files: [{ path: 'a', mode: '0400', content: ['x'] }] };
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-beside-'));
  programs = [];
});
afterEach(async () => {
  for (const { child } of programs) child.kill('SIGTERM');
  for (const { ended } of programs) await ended;
  await instances.stop();
  rmSync(folder, { recursive: true, force: true });
});

const state = () => join(folder, 'state');
const marker = () => join(folder, 'ran');
const starts = () => (existsSync(marker()) ? readFileSync(marker(), 'utf8').split('\n').length - 1 : 0);

/** An agent of the same state file, with a key at hand. */
function start(...words: string[]): Program {
  const config = join(state(), 'config.json');
  const program = startAgentProgram([
    ...['--config-file', config, '--endpoint', instances.url, '--provisioning-key', KEY],
    ...words,
  ]);
  programs.push(program);
  return program;
}
const run = (...flags: string[]) =>
  start('run', '--bundle-dir', join(folder, 'bundle'), ...flags, '--', process.execPath, '-e', PROGRAM, marker());
const OTHERS: [what: string, start: (...flags: string[]) => Program][] = [
  ['a plain agent', (...flags) => start(...flags)],
  ['bundle pull', (...flags) => start('bundle', 'pull', '--out', join(folder, 'out'), ...flags)],
  [
    'bundle pull into the same folder',
    (...flags) => start('bundle', 'pull', '--out', join(folder, 'bundle'), ...flags),
  ],
  ['another run', (...flags) => run(...flags)],
];
const says = async (program: Program, text: string) => {
  await until(() => program.stderr.includes(text) || program.child.exitCode !== null);
  expect(program.stderr).toContain(text);
};

const status = () =>
  JSON.parse(readFileSync(join(state(), 'config.status.json'), 'utf8')) as { pid: number; phase: string };

/** What is on disk, of the state and of the program's files; the status file says whose it is. */
function onDisk(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const below of [state(), join(folder, 'bundle')])
    for (const name of readdirSync(below, { recursive: true, encoding: 'utf8' })) {
      const path = join(below, name);
      if (/\.lock\.|\.tmp$/.test(name) || !statSync(path).isFile()) continue;
      const text = readFileSync(path, 'utf8');
      found[path] = name.endsWith('.status.json') ? `of process ${status().pid}` : text;
    }
  return found;
}

async function running(): Promise<Program> {
  const agent = run();
  await instances.acknowledged('applied');
  await until(() => starts() === 1);
  await instances.server.session(1);
  await until(() => status().phase === 'connected');
  return agent;
}

describe.each(OTHERS)('%s beside a run with the same state', (_what, other) => {
  it('says who has it and waits, or ends with 75; nothing of the run changes', async () => {
    const agent = await running();
    const before = onDisk();
    const who = `another agent runs with ${join(state(), 'config.json')} (process ${agent.child.pid}, connected)`;
    const { code, stderr } = await other('--no-wait').ended;
    expect(code, stderr).toBe(75);
    expect(stderr).toContain(who);
    const waiting = other();
    await says(waiting, `${who}; this one waits until it has ended`);
    waiting.child.kill('SIGTERM');
    await waiting.ended;
    expect(onDisk()).toEqual(before);
    expect(existsSync(join(folder, 'out'))).toBe(false);
    expect([instances.server.claims.length, instances.leases.length, starts()]).toEqual([1, 1, 1]);
    instances.offer({ env: { COLOUR: ['blue'] } });
    await instances.acknowledged('applied');
    await until(() => starts() === 2);
  });

  it('takes the state over when the run ends, as the same site', async () => {
    const agent = await running();
    const waiting = other();
    await says(waiting, 'this one waits');
    const before = instances.requests.length + instances.server.sessions.length;
    agent.child.kill('SIGKILL');
    await until(() => instances.requests.length + instances.server.sessions.length > before);
    expect(status().pid).toBe(waiting.child.pid);
    expect(instances.server.sites).toHaveLength(1);
    expect(instances.clones).toBe(0);
  });
});

it('a run beside a plain agent starts nothing until that has ended', async () => {
  const agent = start();
  await instances.server.session(1);
  const { code, stderr } = await run('--no-wait').ended;
  expect(code, stderr).toBe(75);
  const waiting = run();
  await says(waiting, 'this one waits');
  expect(starts()).toBe(0);
  agent.child.kill('SIGTERM');
  await agent.ended;
  await instances.acknowledged('applied');
  await until(() => starts() === 1);
});

it('bundle status reads beside a run', async () => {
  await running();
  const before = onDisk();
  expect((await start('bundle', 'status').ended).code).toBe(0);
  expect(onDisk()).toEqual(before);
});
