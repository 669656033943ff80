import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Program, type ProgramOptions, startAgentProgram } from '../support/agent-process.js';
import { FakeServer, type FakeSession, KEY, unusableCredential } from '../support/fake-server.js';
import { until } from '../support/server.js';

let server: FakeServer;
let folder: string;
let configFile: string;
let programs: Program[];
beforeEach(async () => {
  server = await FakeServer.start();
  server.on.session = (session) => session.socket.once('message', () => session.welcome());
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-program-'));
  configFile = join(folder, 'config.json');
  programs = [];
});
afterEach(async () => {
  for (const program of programs) {
    program.child.kill('SIGKILL');
    await program.ended;
  }
  await server.stop();
  rmSync(folder, { recursive: true });
});

function run(args: string[], options: ProgramOptions = {}): Program {
  const program = startAgentProgram(args, {
    ...options,
    env: { HOME: folder, CONFIG_FILE: configFile, ...options.env },
  });
  programs.push(program);
  return program;
}

async function connected(args: string[], options: ProgramOptions = {}): Promise<[Program, FakeSession]> {
  const program = run(args, options);
  const session = await Promise.race([
    server.session(server.sessions.length + 1),
    program.ended.then(({ code, stderr }) => {
      throw new Error(`ended with ${code}: ${stderr}`);
    }),
  ]);
  await until(() => program.stderr.includes('connected as'));
  return [program, session];
}

describe('gatehouse-agent', () => {
  it('says version, help and mistakes with the right code and stream', async () => {
    expect(await run(['--version']).ended).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^gatehouse-agent \d+\.\d+\.\d+\n$/),
    });
    expect(await run(['-h']).ended).toMatchObject({ code: 0, stdout: expect.stringContaining('Usage:'), stderr: '' });
    expect(await run(['--bogus', KEY]).ended).toMatchObject({
      code: 64,
      stdout: '',
      stderr: expect.not.stringContaining('Zm9v'),
    });
    expect(await run([KEY]).ended).toMatchObject({ code: 64, stderr: expect.not.stringContaining('Zm9v') });
    expect((await run([]).ended).code).toBe(78);
    writeFileSync(configFile, '{');
    expect((await run(['--endpoint', server.url]).ended).code).toBe(78);
    expect((await run(['--show-config']).ended).code).toBe(78);
  });

  it("takes newt's flags in newt's syntax and warns about what has no effect", async () => {
    const [program] = await connected([
      '-endpoint',
      server.url,
      '-provisioning-key',
      KEY,
      '-mtu=1280',
      '--disable-clients',
      '--pprof',
    ]);
    expect(program.stderr).toMatch(/WARN .*--pprof is not available yet/);
    expect(program.stderr).toMatch(/WARN .*WireGuard.*--mtu, --disable-clients/);
  });

  it('takes everything from the environment, the key from standard input', async () => {
    const [program] = await connected(['--provisioning-key-file', '-'], {
      stdin: `${KEY}\n`,
      env: {
        PANGOLIN_ENDPOINT: server.url,
        NEWT_NAME: '{{env.SERIAL | default "none"}}',
        GATEHOUSE_HARDWARE_ID: 'hw-7',
        LOG_LEVEL: 'DEBUG',
      },
    });
    expect(server.claims).toEqual([expect.objectContaining({ name: 'none', hardwareId: 'hw-7' })]);
    expect(program.stderr).not.toContain(KEY);
  });

  it('masks secrets in --show-config and says where each value comes from', async () => {
    writeFileSync(configFile, JSON.stringify({ endpoint: 'https://host', secret: 'topsecret' }), { mode: 0o600 });
    const { code, stdout } = await run(['--show-config', '--provisioning-key', KEY, '--id=x'], {
      env: { LOG_LEVEL: 'WARN' },
    }).ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/endpoint +https:\/\/host +file\n[\s\S]*id +x +cli\n[\s\S]*logLevel +WARN +env/);
    expect(stdout).not.toMatch(/topsecret|spk_/);
  });

  it('tightens a file that others may read', async () => {
    writeFileSync(configFile, JSON.stringify({ endpoint: server.url, provisioningKey: KEY }));
    chmodSync(configFile, 0o644);
    const [program] = await connected([]);
    expect(program.stderr).toMatch(/WARN .*0644/);
    expect(statSync(configFile).mode & 0o777).toBe(0o600);
    expect(readFileSync(configFile, 'utf8')).not.toContain(KEY);
  });

  it('ends with 73 without claiming when the state cannot be written', async () => {
    mkdirSync(join(folder, 'full'));
    const { code } = await run([
      '--config-file',
      '/dev/null/state/config.json',
      '--endpoint',
      server.url,
      '--provisioning-key',
      KEY,
    ]).ended;
    expect(code).toBe(73);
    expect(server.claims).toEqual([]);
  });

  it('does not believe a health file that another agent left, and says anew that it is true with every heartbeat', async () => {
    const healthFile = join(folder, 'health');
    const args = ['--endpoint', server.url, '--provisioning-key', KEY, '--health-file', healthFile];
    const [program] = await connected(args);
    await until(() => existsSync(healthFile));
    program.child.kill('SIGKILL');
    await program.ended;
    let seen: boolean | undefined;
    server.on.token = (_request, granted) => {
      seen = existsSync(healthFile);
      return granted();
    };
    server.on.session = (session) => session.socket.once('message', () => session.welcome({ heartbeatSeconds: 1 }));
    const [, session] = await connected(args);
    expect(seen).toBe(false);
    await until(() => existsSync(healthFile) && readFileSync(healthFile, 'utf8') === 'ok');
    utimesSync(healthFile, 0, 0);
    await server.until(() => session.of('agent/heartbeat').length > 1);
    expect(statSync(healthFile).mtimeMs).toBeGreaterThan(0);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('stops cleanly on %s', async (signal) => {
    const [program, session] = await connected(['--endpoint', server.url, '--provisioning-key', KEY]);
    program.child.kill(signal);
    expect(await program.ended).toMatchObject({ code: 0 });
    await server.until(() => session.closed !== undefined);
    expect(session.closed).toEqual({ code: 1000 });
  });

  it('reads the file again on SIGHUP', async () => {
    server.sites.push({ newtId: 'n1', secrets: ['s1'] }, { newtId: 'n2', secrets: ['s2'] });
    writeFileSync(configFile, JSON.stringify({ endpoint: server.url, id: 'n1', secret: 's1' }), { mode: 0o600 });
    const [program] = await connected([]);
    writeFileSync(configFile, JSON.stringify({ endpoint: server.url, id: 'n2', secret: 's2' }));
    program.child.kill('SIGHUP');
    await server.session(2);
    expect(server.tokenRequests.map((request) => request.newtId)).toEqual(['n1', 'n2']);
  });

  it('ends with 77 when its credential is refused', async () => {
    server.on.token = unusableCredential;
    expect(
      (await run(['--endpoint', server.url, '--id', 'n', '--secret', 's', '--provisioning-key', KEY]).ended).code,
    ).toBe(77);
    expect(server.claims).toEqual([]);
  });
});

describe('values with a carriage return behind them, as env files with Windows line ends have them', () => {
  it('are taken without it, whatever they are for', async () => {
    writeFileSync(join(folder, 'key'), `${KEY}\r\n`);
    const program = run([], {
      env: {
        CONFIG_FILE: `${configFile}\r`,
        PANGOLIN_ENDPOINT: `${server.url}\r`,
        NEWT_PROVISIONING_KEY_FILE: `${join(folder, 'key')}\r`,
        NEWT_NAME: 'edge-{{env.SERIAL}}\r',
        SERIAL: '42\r',
        GATEHOUSE_HARDWARE_ID: 'hw-7\r',
        GATEHOUSE_NO_WAIT: 'true\r',
        HEALTH_FILE: `${join(folder, 'health')}\r`,
        HTTP_PROXY: '\r',
        LOG_LEVEL: 'warning\r',
      },
    });
    await Promise.race([server.session(), program.ended]);
    expect(server.claims).toEqual([
      expect.objectContaining({ provisioningKey: KEY, name: 'edge-42', hardwareId: 'hw-7' }),
    ]);
    expect(readdirSync(folder).filter((name) => name.includes('\r'))).toEqual([]);
    expect(program.stderr).not.toContain('INFO');
  });
});

describe('gatehouse-agent status', () => {
  const status = async () => {
    const { code, stdout } = await run(['status', '--json']).ended;
    return { code, ...(JSON.parse(stdout) as Record<string, unknown>) };
  };

  it('finds the agent wherever it was started, and names its file', async () => {
    server.on.session = (session) => session.socket.once('message', () => session.welcome({ name: 'press-14' }));
    const elsewhere = join(folder, 'elsewhere', 'agent.json');
    const runtime = { XDG_RUNTIME_DIR: folder };
    const flags = ['--config-file', elsewhere, '--endpoint', server.url, '--provisioning-key', KEY];
    await connected(flags, { env: runtime });
    const home = { ...runtime, HOME: join(folder, 'home'), CONFIG_FILE: '' };
    const asked = await run(['status'], { env: home }).ended;
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    expect(asked.stdout).toContain('enrolled       yes, press-14 (calm-otter-x1y2z, site 7)\n');
    expect(asked.stdout).toContain(`config file    ${elsewhere}\n`);
    expect(JSON.parse((await run(['status', '--json'], { env: home }).ended).stdout)).toMatchObject({
      configFile: elsewhere,
      name: 'press-14',
      running: true,
    });
    expect((await run(['status', '--config-file', configFile], { env: home }).ended).code).toBe(78);

    const other = join(folder, 'other', 'agent.json');
    const [program] = await connected([...flags.slice(0, 1), other, ...flags.slice(2)], { env: runtime });
    const both = await run(['status'], { env: home }).ended;
    expect(both.code).toBe(78);
    expect(both.stderr).toMatch(/several agents run; give one --config-file of: /);
    expect(both.stderr).toContain(elsewhere);
    expect(both.stderr).toContain(other);
    program.child.kill('SIGKILL');
    await program.ended;
    expect((await run(['status'], { env: home }).ended).stdout).toContain(elsewhere);
  });

  it('does not take another process for an agent that was killed, though it has its id', async () => {
    const [program] = await connected(['--endpoint', server.url, '--provisioning-key', KEY]);
    program.child.kill('SIGKILL');
    await program.ended;
    const path = join(folder, 'config.status.json');
    const report = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...report, pid: process.pid }));
    expect(await status()).toMatchObject({ code: 69, running: false });
  });

  it('tells a machine that is not enrolled, connected, pending, approved, stopped, refused', async () => {
    expect(await status()).toMatchObject({ code: 78, enrolled: false, running: false });

    server.on.session = (session) =>
      session.socket.once('message', () => {
        session.welcome({ status: 'pending' });
        session.send('agent/state', { version: 3, status: 'pending' });
      });
    const [program, session] = await connected(['--endpoint', server.url, '--provisioning-key', KEY]);
    await server.until(() => session.of('agent/applied').length === 1);
    await expect.poll(status, { timeout: 60_000 }).toMatchObject({
      code: 75,
      enrolled: true,
      running: true,
      connected: true,
      endpoint: server.url,
      siteId: 7,
      niceId: 'calm-otter-x1y2z',
      status: 'pending',
      connectedSince: expect.any(String),
      desiredVersion: 3,
      appliedVersion: 3,
    });

    session.send('agent/state', { version: 4, status: 'approved' });
    await expect.poll(status, { timeout: 60_000 }).toMatchObject({ code: 0, status: 'approved', appliedVersion: 4 });
    expect(await run(['status']).ended).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/enrolled +yes, calm-otter-x1y2z \(site 7\)\n/),
    });

    program.child.kill('SIGKILL');
    await program.ended;
    expect(await status()).toMatchObject({
      code: 69,
      enrolled: true,
      running: false,
      connected: false,
      connectedSince: null,
    });

    server.on.token = unusableCredential;
    expect((await run([]).ended).code).toBe(77);
    expect(await status()).toMatchObject({ code: 77, running: false, lastError: expect.stringContaining('refuses') });
  });
});
