import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Program, type ProgramOptions, startAgentProgram } from '../support/agent-process.js';
import { FakeServer, KEY } from '../support/fake-server.js';
import { until } from '../support/server.js';

const preload = new URL('../support/failpoints/agent-stops.mjs', import.meta.url).href;
/** The steps of a first start, in their order. */
const STEPS = [
  'read',
  'locked',
  'identity stored',
  'claim sent',
  'claim answered',
  'credential stored, key removed',
  'token asked for',
  'session open',
] as const;
type Step = (typeof STEPS)[number];

let server: FakeServer;
let folder: string;
let configFile: string;
let programs: Program[];
beforeEach(async () => {
  server = await FakeServer.start();
  server.on.session = (session) => session.socket.once('message', () => session.welcome());
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-pair-'));
  configFile = join(folder, 'config.json');
  writeFileSync(configFile, JSON.stringify({ endpoint: server.url, provisioningKey: KEY }), { mode: 0o600 });
  programs = [];
});
afterEach(async () => {
  for (const { child } of programs) child.kill('SIGKILL');
  for (const { ended } of programs) await ended;
  await server.stop();
  rmSync(folder, { recursive: true });
});

function start(args: string[] = [], options: ProgramOptions = {}): Program {
  const program = startAgentProgram(['--config-file', configFile, ...args], options);
  programs.push(program);
  return program;
}

/** Starts an agent that is stopped by SIGSTOP at a step of its start, and waits until it is. */
async function startHeld(step: Step): Promise<Program> {
  const program = start([], { preload, env: { STOP_AT: step } });
  const pid = program.child.pid as number;
  const once = { claim: server.on.claim, token: server.on.token, session: server.on.session };
  const hold = () => {
    process.kill(pid, 'SIGSTOP');
    Object.assign(server.on, once);
  };
  if (step === 'claim sent')
    server.on.claim = (_request, granted) => {
      hold();
      return granted();
    };
  if (step === 'token asked for')
    server.on.token = (_request, granted) => {
      hold();
      return granted();
    };
  if (step === 'session open')
    server.on.session = (session) => {
      hold();
      once.session?.(session);
    };
  await until(() => isStopped(pid));
  return program;
}

function isStopped(pid: number): boolean {
  if (process.platform !== 'linux')
    return execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .startsWith('T');
  return /^\d+ \(.*\) [Tt] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

async function says(program: Program, text: string): Promise<void> {
  await until(() => program.stderr.includes(text) || program.child.exitCode !== null);
  expect(program.stderr).toContain(text);
}
const goOn = (program: Program) => program.child.kill('SIGCONT');
async function end(program: Program, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  program.child.kill(signal);
  await program.ended;
}

/** One site, one use, and what is on disk works. */
async function expectOneWorkingSite(): Promise<void> {
  for (const program of programs) await end(program, 'SIGKILL');
  const sessions = server.sessions.length;
  expect(server.sites).toHaveLength(1);
  expect(new Set(server.claims.map((claim) => `${claim.hardwareId} ${claim.claimNonce}`)).size).toBe(1);
  const again = start(['--no-wait']);
  await Promise.race([server.session(sessions + 1), again.ended]);
  expect(again.child.exitCode, again.stderr).toBeNull();
  expect(server.tokenRequests.at(-1)?.newtId).toBe(server.sites[0]?.newtId);
  const state = JSON.parse(readFileSync(configFile, 'utf8')) as Record<string, unknown>;
  expect(state['provisioningKey']).toBeUndefined();
}

const WAITS = 'another agent runs with';
const CONNECTED = 'connected as';

describe.each(STEPS)('of two agents on one config file, the first at the step: %s', (step) => {
  it('goes on, and is the one that runs', async () => {
    const first = await startHeld(step);
    const second = start();
    if (step === 'read') {
      // It has no lock yet: the second one is the first one by now.
      await says(second, CONNECTED);
      goOn(first);
      await says(first, WAITS);
      expect(first.stderr).not.toContain(CONNECTED);
    } else {
      await says(second, WAITS);
      goOn(first);
      await says(first, CONNECTED);
      expect(second.stderr).not.toContain(CONNECTED);
      expect(second.stderr.match(/another agent runs/g)).toHaveLength(1);
    }
    await expectOneWorkingSite();
  });

  it('is killed, and the second one runs', async () => {
    const first = await startHeld(step);
    const second = start();
    if (step !== 'read') await says(second, WAITS);
    await end(first, 'SIGKILL');
    await says(second, CONNECTED);
    await expectOneWorkingSite();
  });
});

it.each(STEPS)('an agent that has read the file goes on while another one is at the step: %s', async (step) => {
  const first = await startHeld('read');
  const second = await startHeld(step);
  goOn(first);
  if (step === 'read') await says(first, CONNECTED);
  else await says(first, WAITS);
  goOn(second);
  if (step === 'read') await says(second, WAITS);
  else await says(second, CONNECTED);
  await expectOneWorkingSite();
});

it('two agents that start at once are one site with a working credential, whoever is first', async () => {
  for (let round = 0; round < 3; round++) {
    const pair = [start(), start()];
    const saying = (text: string) => pair.filter((one) => one.stderr.includes(text));
    await until(() => saying(CONNECTED).length > 0 && saying(WAITS).length > 0);
    expect([saying(CONNECTED).length, saying(WAITS).length]).toEqual([1, 1]);
    await expectOneWorkingSite();
    for (const program of programs) await end(program, 'SIGKILL');
    programs.length = server.sites.length = server.claims.length = 0;
    writeFileSync(configFile, JSON.stringify({ endpoint: server.url, provisioningKey: KEY }), { mode: 0o600 });
  }
});

describe('an agent that finds another one at work', () => {
  const key = ['--endpoint', '', '--provisioning-key', KEY];
  beforeEach(() => {
    key[1] = server.url;
  });

  it('says so, and that its key was not used; it ends on a signal, or takes over when the other has ended', async () => {
    const first = start();
    await says(first, CONNECTED);
    const second = start(key);
    await says(second, `${WAITS} ${configFile} (process ${first.child.pid}, connected)`);
    expect(second.stderr).toContain(
      'this machine is already calm-otter-x1y2z (site 7); the provisioning key was not used',
    );
    const third = start(key);
    await says(third, WAITS);
    third.child.kill('SIGTERM');
    expect((await third.ended).code).toBe(0);
    expect(server.sessions).toHaveLength(1);
    await end(first);
    await says(second, CONNECTED);
    expect(second.stderr.match(/already calm-otter/g)).toHaveLength(1);
    expect(server.claims).toHaveLength(1);
  });

  it('ends with 75 with --no-wait', async () => {
    await says(start(), CONNECTED);
    expect(await start([...key, '--no-wait']).ended).toMatchObject({
      code: 75,
      stderr: expect.stringContaining(WAITS),
    });
    expect(server.claims).toHaveLength(1);
  });

  it('leaves health file and status of the other one alone', async () => {
    const healthFile = join(folder, 'health');
    const first = start(['--health-file', healthFile]);
    await says(first, CONNECTED);
    const report = () => JSON.parse(readFileSync(join(folder, 'config.status.json'), 'utf8')) as { pid: number };
    const second = start(['--health-file', healthFile]);
    await says(second, WAITS);
    await end(second);
    expect(readFileSync(healthFile, 'utf8')).toBe('ok');
    expect(report().pid).toBe(first.child.pid);
  });

  it('finds it by another path to the same file, and in a folder with a long name', async () => {
    const deep = join(folder, 'a'.repeat(120), 'state');
    mkdirSync(deep, { recursive: true });
    rmSync(configFile);
    symlinkSync(join(deep, 'agent.json'), configFile);
    await says(start(key), CONNECTED);
    const direct = startAgentProgram(['--config-file', join(deep, 'agent.json'), ...key]);
    programs.push(direct);
    await says(direct, WAITS);
  });

  it('does not mind one that brings its credential by flags: it has no use for the file', async () => {
    server.sites.push({ newtId: 'n1', secrets: ['s1'] });
    await says(start(), CONNECTED);
    await says(start(['--id', 'n1', '--secret', 's1']), CONNECTED);
  });
});

it('an agent whose credential is refused reads the file again before it gives up', async () => {
  server.sites.push({ newtId: 'n2', secrets: ['s2'] });
  writeFileSync(configFile, JSON.stringify({ endpoint: server.url, id: 'n1', secret: 'gone' }), { mode: 0o600 });
  server.on.token = (_request, granted) => {
    const answer = granted();
    // Another program, which knows no lock, has enrolled the machine meanwhile.
    writeFileSync(configFile, JSON.stringify({ endpoint: server.url, id: 'n2', secret: 's2' }));
    return answer;
  };
  await says(start(), CONNECTED);
  expect(server.tokenRequests.map((request) => request.newtId)).toEqual(['n1', 'n2']);
});
