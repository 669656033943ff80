import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { Program } from '../../../../test/support/agent-process.js';
import { bundle } from '../../../../test/support/bundled.js';
import { until } from '../../../../test/support/server.js';
import { runs, WAITING } from '../../../../test/support/supervised.js';
import { launchAs, lookUpUser } from './child-user.js';

let program: string;
beforeAll(() => {
  const outfile = join(mkdtempSync(join(tmpdir(), 'gatehouse-program-')), 'agent.mjs');
  program = bundle("import './test/support/supervising-agent.js'", outfile);
});
afterAll(() => rmSync(join(program, '..'), { recursive: true }));

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gatehouse-supervising-'))));
afterEach(() => {
  for (const group of groups.splice(0)) {
    try {
      process.kill(-group, 'SIGKILL');
    } catch {
      // nobody is left, as it should be
    }
  }
  rmSync(folder, { recursive: true });
});
/** Of programs that a test lets outlive their agent. */
const groups: number[] = [];

/** An agent that runs this script, as the leader of a process group, which is what a terminal sends Ctrl-C to. */
function agent(
  script: string,
  stopGraceSeconds = 60,
  { user, before = [] }: { user?: string; before?: string[] } = {},
): Program {
  const env = {
    PATH: process.env['PATH'] ?? '',
    OUT: join(folder, 'out'),
    SUPERVISED: JSON.stringify({ folder, script, stopGraceSeconds, user }),
  };
  const [file = '', ...args] = [...before, process.execPath, program];
  return new Program(spawn(file, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }));
}
const said = (): string[] =>
  existsSync(join(folder, 'out')) ? readFileSync(join(folder, 'out'), 'utf8').split('\n').slice(0, -1) : [];
async function pidSaid(): Promise<number> {
  const pid = Number(await until(() => said().find((line) => /^\d+$/.test(line))));
  groups.push(pid);
  return pid;
}

it("a terminal's Ctrl-C, which goes to the agent's group, reaches the program once, whose exit code is the agent's", async () => {
  const one = agent(`trap 'echo INT >> "$OUT"; exit 7' INT; ${WAITING}`);
  await until(() => said().includes('start '));
  process.kill(-one.child.pid!, 'SIGINT');
  expect(await one.ended).toMatchObject({ code: 7, signal: null });
  expect(said()).toEqual(['start ', 'INT']);
  expect(readdirSync(join(folder, 'bundles')).filter((name) => !name.startsWith('.'))).toEqual([]);
});

it.runIf(launchAs(undefined, process.env).prefix.length > 0)(
  'the program gets SIGTERM from the kernel when the agent is killed',
  async () => {
    const one = agent(`trap 'echo TERM >> "$OUT"; exit' TERM; echo $$ >> "$OUT"; ${WAITING}`);
    const pid = await pidSaid();
    await until(() => said().includes('start '));
    one.child.kill('SIGKILL');
    await until(() => !runs(pid));
    expect(said()).toContain('TERM');
  },
);

it.runIf(process.platform === 'linux')(
  'a program that outlives its agent, with what it started, is ended by the next one before it starts its own',
  async () => {
    const started = `(trap '' TERM; echo $$ started >> "$OUT"; while :; do sleep 100; done) &`;
    const first = agent(`trap '' TERM; echo $$ >> "$OUT"; ${started} ${WAITING}`, 0.3);
    const pid = await pidSaid();
    await until(() => said().includes('start ') && said().includes(`${pid} started`));
    await until(() => existsSync(join(folder, 'bundles/.child.json')));
    const killed = once(first.child, 'exit'); // its streams stay open: the program has them
    first.child.kill('SIGKILL');
    await killed;
    expect(runs(pid)).toBe(true);
    const second = agent(`echo "then $(cut -d' ' -f3 /proc/${pid}/stat 2>/dev/null)" >> "$OUT"; exit 5`);
    expect(await second.ended).toMatchObject({ code: 5 });
    expect(second.stderr).toContain(`process ${pid}, started by an agent that was killed, is ended first`);
    expect(said().at(-1)).toMatch(/^then [ZX]?$/);
    expect(runs(pid)).toBe(false);
  },
);

const capabilities = /^.*CapabilityBoundingSet=(.*?)\\n/m.exec(
  readFileSync(fileURLToPath(new URL('../../install.sh', import.meta.url)), 'utf8'),
)![1]!;

it.runIf(process.geteuid?.() === 0 && launchAs(undefined, process.env).prefix.length > 0)(
  'runs a program as another user, and ends it, with the capabilities that the unit of the installer leaves to root',
  async () => {
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'out'), '');
    chmodSync(join(folder, 'out'), 0o666);
    const script = `id -un >> "$OUT"; echo "$HOME" >> "$OUT"; cat "$GATEHOUSE_CONFIG" >> "$OUT" && trap '' TERM; ${WAITING}`;
    const bounding = ['-all', ...capabilities.split(' ').map((name) => name.toLowerCase().replace('cap_', '+'))].join(
      ',',
    );
    const one = agent(script, 0.3, { user: 'nobody', before: ['setpriv', '--bounding-set', bounding] });
    await until(() => said().includes('start '));
    one.child.kill('SIGTERM');
    expect((await one.ended).code, one.stderr).toBe(137);
    expect(said()).toEqual(['nobody', lookUpUser('nobody').home, '{}', 'start ']);
    expect(readdirSync(join(folder, 'bundles')).filter((name) => !name.startsWith('.'))).toEqual([]);
  },
);
