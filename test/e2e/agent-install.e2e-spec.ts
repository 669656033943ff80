import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { enrolLine, fillInstaller } from '../../libs/contracts/index.js';
import { agentBundle, Program } from '../support/agent-process.js';
import { FakeServer, KEY } from '../support/fake-server.js';

/** What a bare machine has: the coreutils that the installer may use, and node. Nothing else is on PATH. */
const COREUTILS = ['cat', 'chmod', 'id', 'mkdir', 'mv', 'printf', 'rm', 'uname'];

let server: FakeServer;
let folder: string;
let prefix: string;
let programs: Program[];
beforeEach(async () => {
  server = await FakeServer.start();
  server.on.session = (session) => session.socket.once('message', () => session.welcome());
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-install-'));
  prefix = join(folder, 'prefix');
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'empty'));
  for (const name of COREUTILS) symlinkSync(existsSync(`/usr/bin/${name}`) ? `/usr/bin/${name}` : `/bin/${name}`, join(folder, 'bin', name));
  symlinkSync(process.execPath, join(folder, 'bin', 'node'));
  server.files.set('/agent/gatehouse-agent.mjs', readFileSync(join(agentBundle(), 'gatehouse-agent.mjs')));
  server.files.set('/install.sh', installer());
  programs = [];
});
afterEach(async () => {
  for (const { child, ended } of programs) {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL');
    await ended;
  }
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** The script as a server hands it out. */
function installer(change: { sha256?: string } = {}): string {
  const bundle = JSON.parse(readFileSync(join(agentBundle(), 'version.json'), 'utf8')) as { version: string; sha256: string };
  return fillInstaller(readFileSync(join(agentBundle(), 'install.sh'), 'utf8'), server.url, { ...bundle, ...change });
}

/** Runs a line in a shell, in an empty folder, with the bare machine's PATH, as a process group of its own. */
function shell(line: string, env: Record<string, string> = {}): Program {
  const child = spawn('/bin/sh', ['-c', line], {
    cwd: join(folder, 'empty'), detached: true, env: { PATH: join(folder, 'bin'), PREFIX: prefix, HOME: folder, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  const program = new Program(child);
  programs.push(program);
  return program;
}

/** Runs the installer from a file, with the key in another. */
function install(args: string, key = KEY): Program {
  writeFileSync(join(folder, 'install.sh'), server.files.get('/install.sh') ?? '');
  writeFileSync(join(folder, 'key'), `${key}\n`);
  return shell(`/bin/sh ../install.sh ${args}`);
}

const state = (): Record<string, unknown> => JSON.parse(readFileSync(join(prefix, 'var/lib/gatehouse-agent/config.json'), 'utf8')) as Record<string, unknown>;

describe('the enrol line', () => {
  it('enrols a machine that has node and coreutils alone, and keeps it connected', async () => {
    const program = shell(enrolLine(server.url, KEY));
    await Promise.race([server.session(), program.ended.then(({ stderr }) => expect(stderr).toBe('running'))]);
    expect(server.claims).toEqual([expect.objectContaining({ provisioningKey: KEY })]);
    expect(state()).toMatchObject({ endpoint: server.url, id: server.sites[0]?.newtId });
    expect(JSON.stringify(state())).not.toContain(KEY);
    expect(readdirSync(join(folder, 'empty'))).toEqual([]);
    expect(program.stdout + program.stderr).not.toContain(KEY);
  });

  it('has the key in no argument of a process that stays', async () => {
    shell(enrolLine(server.url, KEY));
    await server.session();
    const commands = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });
    const agents = commands.filter((command) => command.includes(prefix));
    expect(agents.length).toBeGreaterThan(0);
    // The shell that runs the line holds it, as the operator's own shell would; what the line started does not.
    expect(commands.filter((command) => command.includes(KEY) && !command.startsWith('/bin/sh -c printf'))).toEqual([]);
  });

  it('fails when there is no server or no installer', async () => {
    server.files.clear();
    expect((await shell(enrolLine(server.url, KEY)).ended).code).not.toBe(0);
    expect((await shell(enrolLine('http://127.0.0.1:1', KEY)).ended).code).not.toBe(0);
  });

  it('survives odd characters', () => {
    expect(enrolLine("https://host/a'b$(c)`d`/", "k'ey")).toBe(
      `printf %s 'k'\\''ey' | node -e "${/node -e "(.*)"$/.exec(enrolLine('https://host/a%27b%24(c)%60d%60', 'x'))?.[1]}"`,
    );
  });
});

describe('install.sh', () => {
  it('installs the program, a command, and the first run\'s settings, all of it private', async () => {
    const { code, stdout } = await install("--key-file ../key --name 'Cold Store {{env.SERIAL}}' --hardware-id hw-1").ended;
    expect(code).toBe(0);
    expect(stdout).toContain(`Run it with: ${prefix}/bin/gatehouse-agent`);
    expect(state()).toEqual({ endpoint: server.url, provisioningKey: KEY, name: 'Cold Store {{env.SERIAL}}', hardwareId: 'hw-1' });
    expect(statSync(join(prefix, 'var/lib/gatehouse-agent/config.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(prefix, 'var/lib/gatehouse-agent')).mode & 0o777).toBe(0o700);
    expect(server.claims).toEqual([]);

    const command = join(prefix, 'bin/gatehouse-agent');
    expect((await shell(`${command} status`).ended).code).toBe(78);
    shell(command, { SERIAL: '014' });
    await server.session();
    expect(server.claims).toEqual([expect.objectContaining({ name: 'Cold Store 014', hardwareId: 'hw-1' })]);
    expect((await shell(`${command} status`).ended).stdout).toContain('enrolled       yes');
  });

  it('may be run again: the program is replaced, the enrolment stays, the key is not stored', async () => {
    const first = install('--key-file ../key --run');
    await server.session();
    process.kill(-(first.child.pid ?? 0), 'SIGTERM');
    await first.ended;
    const before = state();
    const { code, stdout } = await install('--key-file ../key').ended;
    expect(code).toBe(0);
    expect(stdout).toContain(`enrolled already, as ${server.sites[0]?.newtId}`);
    expect(state()).toEqual(before);
    expect((await install('--key-file ../key --endpoint https://another').ended).code).not.toBe(0);
    expect(state()).toEqual(before);
  });

  it('installs nothing when the bundle is not the one it was made for', async () => {
    server.files.set('/install.sh', installer({ sha256: '0'.repeat(64) }));
    const { code, stderr } = await install('--key-file ../key').ended;
    expect(code).toBe(69);
    expect(stderr).toContain('SHA-256');
    expect(readdirSync(join(prefix, 'lib/gatehouse'))).toEqual([]);
  });

  it.each([
    ['an unknown argument', '--bogus', 64],
    ['a missing value', '--key-file', 64],
    ['a missing key file', '--key-file ../nokey', 66],
    ['an empty key', '--key-file - </dev/null', 66],
  ])('ends with its own code for %s', async (_what, args, code) => {
    expect(await install(args).ended).toMatchObject({ code });
  });

  it('says which node it needs', async () => {
    rmSync(join(folder, 'bin', 'node'));
    expect(await install('--key-file ../key').ended).toMatchObject({ code: 78, stderr: expect.stringContaining('node 20.19') });
    writeFileSync(join(folder, 'bin', 'node'), '#!/bin/sh\n[ "$1" = -p ] && echo v18.0.0\nexit 1\n', { mode: 0o755 });
    expect(await install('--key-file ../key').ended).toMatchObject({ code: 78, stderr: expect.stringContaining('v18.0.0 is too old') });
  });

  it('lets the systemd unit restart on every code but those that waiting cannot mend', () => {
    const script = installer();
    expect(script).toContain('RestartPreventExitStatus=64 73 77 78');
    expect(script).not.toMatch(/@[A-Z0-9]+@/);
  });
});
