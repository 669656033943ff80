import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAgentProgram } from '../support/agent-process.js';
import { FakeInstances } from '../support/fake-instances.js';
import { KEY } from '../support/fake-server.js';
import { until } from '../support/server.js';

const preload = new URL('../support/kill-at-write.mjs', import.meta.url).href;
/** EVERY_STEP=true kills before each call that changes the disk; otherwise where a file is about to take the place of another. */
const EVERY_STEP = process.env['EVERY_STEP'] === 'true';
let instances: FakeInstances;
let folder: string;
/** What the last agent that lived on did to the disk. */
let trace: string[] = [];
beforeEach(async () => {
  instances = await FakeInstances.start();
  instances.offered = { env: { COLOUR: ['red'] }, files: [{ path: 'a/b', mode: '0400', content: ['x'] }] };
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-crash-'));
});
afterEach(async () => {
  await instances.stop();
  rmSync(folder, { recursive: true });
});

const marker = () => join(folder, '..', `${folder.split('/').at(-1)}.ran`);
const PROGRAM = `require('node:fs').appendFileSync(process.argv[1], process.env.COLOUR + '\\n'); setInterval(() => {}, 1e6)`;

/** Runs the agent until its bundle is applied and kept; true when it was killed before. */
async function run(killAt: number, colour = 'red'): Promise<boolean> {
  const before = { acks: instances.acks.length, starts: starts().length };
  const state = join(folder, 'state', 'config.json');
  const args = ['--config-file', state, '--endpoint', instances.url, '--provisioning-key', KEY, '--wait', '0'];
  const program = startAgentProgram(
    [...args, 'run', '--bundle-dir', join(folder, 'bundle'), '--', process.execPath, '-e', PROGRAM, marker()],
    { preload, env: { KILL_AT_WRITE: String(killAt), KILL_BELOW: folder } },
  );
  const killed = program.ended.then(({ signal, code, stderr }) => {
    if (signal !== 'SIGKILL') throw new Error(`ended with ${code}: ${stderr}`);
    return true;
  });
  killed.catch(() => undefined);
  const over = await Promise.race([killed, until(() => applied(colour, before)).then(() => false)]);
  if (over) return true;
  program.child.kill('SIGTERM');
  const ended = await program.ended;
  if (ended.signal === 'SIGKILL') return true;
  // Of the program, which ends by the signal that was passed on to it.
  expect(ended.code, ended.stderr).toBe(143);
  trace = /^disk: (.*)$/m.exec(ended.stderr)?.[1]?.split(' ') ?? [];
  return false;
}

const starts = () => (existsSync(marker()) ? readFileSync(marker(), 'utf8').split('\n').slice(0, -1) : []);

/** This agent's program runs, not one that ran before. */
function applied(colour: string, before: { acks: number; starts: number }): boolean {
  const path = join(folder, 'state', 'config.instance', 'instance.json');
  if (!existsSync(path)) return false;
  const facts = JSON.parse(readFileSync(path, 'utf8')) as { applied: number };
  const acks = instances.acks.slice(before.acks);
  return (
    starts().length > before.starts &&
    starts().at(-1) === colour &&
    facts.applied === instances.version &&
    acks.some(({ state }) => state === 'applied')
  );
}

function expectWhole(): void {
  expect(instances.server.sites).toHaveLength(1);
  expect(instances.clones).toBe(0);
  const state = join(folder, 'state');
  const instance = join(state, 'config.instance');
  for (const at of [state, instance]) expect(readdirSync(at).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  const { bundle } = JSON.parse(readFileSync(join(instance, 'instance.json'), 'utf8')) as {
    bundle: { digest: string };
  };
  expect(readdirSync(instance).filter((name) => name.endsWith('.jwe'))).toEqual([`${bundle.digest}.jwe`]);
  // The program is over, and so are its files.
  expect(readdirSync(join(folder, 'bundle')).filter((name) => name !== 'ready')).toEqual([]);
}

/** Where to kill, of a run that went through. */
function stepsOf(run: readonly string[]): number[] {
  const all = run.map((_, index) => index + 1);
  return EVERY_STEP ? all : all.filter((at) => run[at - 1] === 'renameSync');
}

describe('an agent killed while it writes', () => {
  it('its first start goes on as one site with one bundle, and the program runs', async () => {
    expect(await run(0)).toBe(false);
    expectWhole();
    const steps = stepsOf(trace);
    expect(steps.length).toBeGreaterThan(5);
    for (const at of steps) {
      rmSync(join(folder, 'state'), { recursive: true });
      rmSync(marker(), { force: true });
      instances.forget();
      const killed = await run(at);
      if (killed) expect(await run(0)).toBe(false);
      expectWhole();
    }
  });

  it('a change of the bundle, ends with the new one', async () => {
    expect(await run(0)).toBe(false);
    for (const at of stepsOf(trace)) {
      instances.offer({ ...instances.offered, env: { COLOUR: [`red${at}`] } });
      if (await run(at, `red${at}`)) expect(await run(0, `red${at}`)).toBe(false);
      expectWhole();
    }
  });

  it('that the site is over, starts nothing again, without the server', async () => {
    expect(await run(0)).toBe(false);
    await instances.revoke();
    const state = join(folder, 'state', 'config.json');
    const start = (killAt: number, endpoint = instances.url) =>
      startAgentProgram(
        [
          '--config-file',
          state,
          '--endpoint',
          endpoint,
          '--wait',
          '0',
          'run',
          '--bundle-dir',
          join(folder, 'bundle'),
          '--',
          process.execPath,
          '-e',
          PROGRAM,
          marker(),
        ],
        { preload, env: { KILL_AT_WRITE: String(killAt), KILL_BELOW: folder } },
      ).ended;
    const before = readFileSync(state, 'utf8');
    const saved = join(folder, 'saved');
    cpSync(join(folder, 'state'), saved, { recursive: true, filter: (path) => !path.includes('.lock.') });
    rmSync(marker());
    for (let at = 1; ; at += EVERY_STEP ? 1 : 3) {
      const { signal, code } = await start(at);
      // The statement came, or the machine does not know of it and is told again.
      const again = await start(0, existsRevoked() ? 'http://127.0.0.1:1' : instances.url);
      expect(again.code, again.stderr).toBe(77);
      expect(existsSync(marker())).toBe(false);
      expect(readFileSync(state, 'utf8')).not.toContain('"secret"');
      if (signal !== 'SIGKILL') {
        expect(code).toBe(77);
        break;
      }
      rmSync(join(folder, 'state'), { recursive: true });
      cpSync(saved, join(folder, 'state'), { recursive: true });
      expect(readFileSync(state, 'utf8')).toBe(before);
    }
  });
});

function existsRevoked(): boolean {
  const path = join(folder, 'state', 'config.instance', 'instance.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { revoked?: object }).revoked !== undefined;
}
