import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { enrolLine, fillInstaller } from '#contracts';
import { parseFlags } from '../../libs/agent/src/cli/flags.js';
import { agentBundle, type Program } from '../support/agent-process.js';
import { BareMachine } from '../support/bare-machine.js';
import { selfSigned } from '../support/certificate.js';
import { FakeServer, KEY } from '../support/fake-server.js';
import { freePort, until } from '../support/server.js';

let server: FakeServer;
let machine: BareMachine;
beforeEach(async () => {
  server = await FakeServer.start();
  server.on.session = (session) => session.socket.once('message', () => session.welcome());
  server.files.set('/agent/gatehouse-agent.mjs', readFileSync(join(agentBundle(), 'gatehouse-agent.mjs')));
  server.files.set('/install.sh', installer());
  machine = new BareMachine();
});
afterEach(async () => {
  await machine.remove();
  await server.stop();
});

/** The script as a server hands it out. */
function installer(change: { sha256?: string } = {}): string {
  const bundle = JSON.parse(readFileSync(join(agentBundle(), 'version.json'), 'utf8')) as {
    version: string;
    sha256: string;
  };
  return fillInstaller(readFileSync(join(agentBundle(), 'install.sh'), 'utf8'), server.url, { ...bundle, ...change });
}

/** Runs the installer from a file, with the key in another. */
function install(args: string, key = KEY): Program {
  writeFileSync(join(machine.folder, 'install.sh'), server.files.get('/install.sh') ?? '');
  writeFileSync(join(machine.folder, 'key'), `${key}\n`);
  return machine.shell(`/bin/sh ../install.sh ${args}`);
}

describe('the enrol line', () => {
  it('enrols a machine that has node and coreutils alone, and keeps it connected', async () => {
    const program = machine.shell(enrolLine(server.url, KEY));
    await Promise.race([server.session(), program.ended.then(({ stderr }) => expect(stderr).toBe('running'))]);
    expect(server.claims).toEqual([expect.objectContaining({ provisioningKey: KEY })]);
    expect(machine.state()).toMatchObject({ endpoint: server.url, id: server.sites[0]?.newtId });
    expect(JSON.stringify(machine.state())).not.toContain(KEY);
    expect(readdirSync(machine.empty)).toEqual([]);
    expect(program.stdout + program.stderr).not.toContain(KEY);
  });

  it('says whom to trust, and the machine keeps that for its agent', async () => {
    const trust = `${'A'.repeat(43)}.${'B'.repeat(42)}A`;
    machine.shell(enrolLine(server.url, KEY, trust));
    await server.session();
    expect(machine.state()).toMatchObject({ trustFingerprint: trust });
  });

  it('has the key in no argument of a process that stays', async () => {
    // No other test's: those run agents on this machine meanwhile.
    const key = KEY.replace('testtesttest', randomBytes(6).toString('hex'));
    server.provisioningKey = key;
    machine.shell(enrolLine(server.url, key));
    await server.session();
    const commands = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        } catch {
          return '';
        }
      });
    const agents = commands.filter((command) => command.includes(machine.prefix));
    expect(agents.length).toBeGreaterThan(0);
    // The shell that runs the line holds it, as the operator's own shell would; what the line started does not.
    expect(commands.filter((command) => command.includes(key) && !command.startsWith('/bin/sh -c printf'))).toEqual([]);
  });

  it('fails in one sentence when what answers is not the server, or nothing does', async () => {
    const secure = createTlsServer(await selfSigned('01')).listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const tlsUrl = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`;
    const failure = async (url: string): Promise<string> => {
      const { code, stdout, stderr } = await machine.shell(enrolLine(url, KEY)).ended;
      expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
      expect(stderr).toMatch(/^Not enrolled: [^\n]+\n$/);
      expect(stderr).not.toContain(KEY);
      return stderr.slice('Not enrolled: '.length, -1);
    };
    expect(await failure('http://127.0.0.1:1')).toBe('http://127.0.0.1:1/install.sh: bad port');
    const port = await freePort();
    expect(await failure(`http://127.0.0.1:${port}`)).toContain(`ECONNREFUSED 127.0.0.1:${port}`);
    expect(await failure('http://no-such-host.invalid')).toMatch(/getaddrinfo \w+ no-such-host\.invalid$/);
    expect(await failure(tlsUrl)).toBe(
      `${tlsUrl}/install.sh: self-signed certificate; set NODE_EXTRA_CA_CERTS to the file of a private authority`,
    );
    expect(await failure(server.url.replace('http:', 'https:'))).toContain('wrong version number');
    server.files.set('/install.sh', '<!doctype html><title>Log in</title>');
    expect(await failure(server.url)).toBe(`${server.url}/install.sh: what answers there is not Gatehouse`);
    server.files.clear();
    expect(await failure(server.url)).toBe(`${server.url}/install.sh: it answered 404`);
    secure.close();
  });

  it('survives odd characters', () => {
    expect(enrolLine("https://host/a'b$(c)`d`/", "k'ey")).toBe(
      `printf %s 'k'\\''ey' | node -e "${/node -e "(.*)"$/.exec(enrolLine('https://host/a%27b%24(c)%60d%60', 'x'))?.[1]}"`,
    );
  });
});

describe('install.sh', () => {
  it("installs the program, a command, and the first run's settings, all of it private", async () => {
    const { code, stdout } = await install("--key-file ../key --name 'Cold Store {{env.SERIAL}}' --hardware-id hw-1")
      .ended;
    expect(code).toBe(0);
    expect(stdout).toContain(`Run it with: ${machine.prefix}/bin/gatehouse-agent`);
    expect(machine.state()).toEqual({
      endpoint: server.url,
      provisioningKey: KEY,
      name: 'Cold Store {{env.SERIAL}}',
      hardwareId: 'hw-1',
    });
    expect(statSync(join(machine.prefix, 'var/lib/gatehouse-agent/config.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(machine.prefix, 'var/lib/gatehouse-agent')).mode & 0o777).toBe(0o700);
    expect(server.claims).toEqual([]);

    const command = join(machine.prefix, 'bin/gatehouse-agent');
    expect((await machine.shell(`${command} status`).ended).code).toBe(78);
    machine.shell(command, { SERIAL: '014' });
    await server.session();
    expect(server.claims).toEqual([expect.objectContaining({ name: 'Cold Store 014', hardwareId: 'hw-1' })]);
    expect((await machine.shell(`${command} status`).ended).stdout).toContain('enrolled       yes');
  });

  it('fetches the program from the server where the endpoint serves machines alone', async () => {
    const endpoint = 'https://devices.example.com:3001';
    const { code, stderr } = await install(`--key-file ../key --credential certificate --endpoint ${endpoint}`).ended;
    expect(code, stderr).toBe(0);
    expect(machine.state()).toEqual({ endpoint, provisioningKey: KEY, credential: 'certificate' });
    for (const wrong of [
      '--credential psk',
      '--credential certificate',
      '--credential certificate --endpoint http://x',
    ])
      expect((await install(`--key-file ../key ${wrong}`).ended).code).toBe(64);
  });

  it('may be run again: the program is replaced, the enrolment stays, the key is not stored', async () => {
    server.on.session = (session) => session.socket.once('message', () => session.welcome({ name: 'press-14' }));
    const first = install('--key-file ../key --run');
    await until(() => (first.stdout + first.stderr).includes('connected as press-14'));
    machine.signal(first, 'SIGTERM');
    await first.ended;
    const before = machine.state();
    const { code, stdout } = await install('--key-file ../key').ended;
    expect(code).toBe(0);
    const already = 'This machine is already press-14 (calm-otter-x1y2z, site 7)';
    expect(stdout).toContain(`${already}; the provisioning key was not used.`);
    expect((await install('').ended).stdout).toContain(`${already}.`);
    rmSync(join(machine.prefix, 'var/lib/gatehouse-agent/config.status.json'));
    expect((await install('').ended).stdout).toContain(`already site ${server.sites[0]?.newtId}.`);
    expect(machine.state()).toEqual(before);
    expect((await install('--key-file ../key --endpoint https://another').ended).code).not.toBe(0);
    expect(machine.state()).toEqual(before);
  });

  it('installs nothing when the bundle is not the one it was made for', async () => {
    server.files.set('/install.sh', installer({ sha256: '0'.repeat(64) }));
    const { code, stderr } = await install('--key-file ../key').ended;
    expect(code).toBe(69);
    expect(stderr).toContain('SHA-256');
    expect(readdirSync(join(machine.prefix, 'lib/gatehouse'))).toEqual([]);
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
    rmSync(join(machine.bin, 'node'));
    expect(await install('--key-file ../key').ended).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('node 20.19'),
    });
    writeFileSync(join(machine.bin, 'node'), '#!/bin/sh\n[ "$1" = -p ] && echo v18.0.0\nexit 1\n', { mode: 0o755 });
    expect(await install('--key-file ../key').ended).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('v18.0.0 is too old'),
    });
  });

  it('lets the systemd unit of the agent restart on every code but those that waiting cannot mend', () => {
    const script = installer();
    expect(script).toContain('RestartPreventExitStatus=64 73 77 78');
    expect(script).not.toMatch(/@[A-Z0-9]+@/);
  });
});

describe('install.sh --service', () => {
  const unitOf = (name: string) => join(machine.prefix, `etc/systemd/system/gatehouse-${name}.service`);
  /** The settings of a unit; the last of each name. */
  const settings = (name: string) =>
    Object.fromEntries(
      readFileSync(unitOf(name), 'utf8')
        .split('\n')
        .flatMap((line) =>
          /^(\w+)=(.*)$/.exec(line) ? [[line.split('=')[0], line.slice(line.indexOf('=') + 1)]] : [],
        ),
    ) as Record<string, string>;
  const NESTED = [
    `it's "quoted"`,
    '',
    'a b',
    '100%',
    '$HOME',
    '${PATH}',
    '\\n\\',
    '-x',
    ';',
    '`id`',
    'ü',
    'two\nlines\t',
  ];
  const shell = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

  it('writes a unit whose command arrives as it was given', async () => {
    const args = `--service press --key-file ../key --user nobody -- /bin/echo ${NESTED.map(shell).join(' ')}`;
    const { code, stderr } = await install(args).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const words = execStart(settings('press')['ExecStart']!, { CREDENTIALS_DIRECTORY: '/creds' });
    const state = join(machine.prefix, 'var/lib/gatehouse-press');
    expect(words).toEqual([
      process.execPath,
      join(machine.prefix, 'lib/gatehouse/gatehouse-agent.mjs'),
      'run',
      ...['--config-file', join(state, 'config.json')],
      ...['--provisioning-key-file', '/creds/provisioning-key'],
      ...['--user', 'nobody'],
      ...['--', '/bin/echo', ...NESTED],
    ]);
    expect(parseFlags(words.slice(2))).toMatchObject({ command: 'run', words: ['/bin/echo', ...NESTED] });
    expect(settings('press')).toMatchObject({
      LoadCredential: `provisioning-key:${join(machine.prefix, 'etc/gatehouse/press.key')}`,
      RestartPreventExitStatus: '64 65 73 77 78',
      KillMode: 'mixed',
      RuntimeDirectory: 'gatehouse-press',
      StateDirectory: 'gatehouse-press',
      CapabilityBoundingSet: 'CAP_SETUID CAP_SETGID CAP_KILL CAP_CHOWN CAP_DAC_READ_SEARCH',
    });
    expect(server.claims).toEqual([]);
  });

  it('keeps the key where systemd loads it from, and the rest in the state', async () => {
    const fingerprint = 'a'.repeat(43);
    await install(
      `--service press --key-file - --name Press --trust-fingerprint ${fingerprint} -- ./bin/server <../key`,
    ).ended;
    const key = join(machine.prefix, 'etc/gatehouse/press.key');
    expect(readFileSync(key, 'utf8')).toBe(`${KEY}\n`);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    const state = join(machine.prefix, 'var/lib/gatehouse-press');
    expect(statSync(state).mode & 0o777).toBe(0o700);
    expect(JSON.parse(readFileSync(join(state, 'config.json'), 'utf8'))).toEqual({
      endpoint: server.url,
      name: 'Press',
      trustFingerprint: fingerprint,
    });
    // A path is where the installer ran: systemd starts programs elsewhere.
    expect(execStart(settings('press')['ExecStart']!).at(-1)).toBe(join(machine.empty, 'bin/server'));
    expect(settings('press')).not.toHaveProperty('CapabilityBoundingSet');
    expect(readFileSync(unitOf('press'), 'utf8')).not.toContain(KEY);
  });

  it('may be run again: the state and the key stay, the unit is the last one', async () => {
    await install('--service press --key-file ../key -- /bin/one').ended;
    const state = join(machine.prefix, 'var/lib/gatehouse-press/config.json');
    const enrolled = JSON.stringify({ endpoint: server.url, id: 'x1', secret: 's' });
    writeFileSync(state, enrolled);
    const { code, stdout } = await install('--service press -- /bin/two').ended;
    expect([code, stdout]).toEqual([0, expect.stringContaining('already site x1; the provisioning key was not used.')]);
    expect(readFileSync(state, 'utf8')).toBe(enrolled);
    expect(execStart(settings('press')['ExecStart']!)).toContain('--provisioning-key-file');
    expect(execStart(settings('press')['ExecStart']!).at(-1)).toBe('/bin/two');
    // Another instance, and the agent's own command, are as they were.
    await install('--service other -- /bin/three').ended;
    expect(execStart(settings('press')['ExecStart']!).at(-1)).toBe('/bin/two');
    expect(settings('other')).not.toHaveProperty('LoadCredential');
    expect(readFileSync(join(machine.prefix, 'bin/gatehouse-agent'), 'utf8')).toContain('var/lib/gatehouse-agent/');
  });

  it.each([
    ['no command', '--service press --key-file ../key', 64],
    ['a name that is a path', '--service ../press -- /bin/true', 64],
    ["the agent's own name", '--service agent -- /bin/true', 64],
    ['a command without a service', '--key-file ../key -- /bin/true', 64],
    ['a user without a service', '--key-file ../key --user nobody', 64],
    ['a fingerprint that is none', "--service press --trust-fingerprint 'a b' -- /bin/true", 64],
    ['a fingerprint that is too short', '--service press --trust-fingerprint FINGERPRINT -- /bin/true', 64],
    ['a missing key file', '--service press --key-file ../nokey -- /bin/true', 66],
  ])('ends with its own code for %s', async (_what, args, code) => {
    expect(await install(args).ended).toMatchObject({ code });
    expect(existsSync(join(machine.prefix, 'etc/systemd/system'))).toBe(code === 66);
  });

  it.runIf(existsSync('/usr/bin/systemd-analyze'))(
    'writes what systemd takes for a unit without a mistake',
    async () => {
      await install(`--service press --key-file ../key --user nobody -- /bin/echo ${NESTED.map(shell).join(' ')}`)
        .ended;
      const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unitOf('press')], { encoding: 'utf8' });
      expect(stderr.split('\n').filter((line) => line.includes('gatehouse-press'))).toEqual([]);
    },
  );
});

/** The words of an ExecStart, as systemd.syntax(7) and systemd.service(5) say that it reads them. */
function execStart(line: string, env: Record<string, string> = {}): string[] {
  const words = [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
  return words.map((word) =>
    word
      .replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, other: string) =>
        hex ? String.fromCharCode(Number.parseInt(hex, 16)) : ({ n: '\n', t: '\t', s: ' ' }[other] ?? other),
      )
      .replace(/%(.)/g, (_, specifier: string) => (specifier === '%' ? '%' : `<specifier ${specifier}>`))
      .replace(/\$(\$|\{(\w+)\}|\w+)/g, (_, what: string, name = '') =>
        what === '$' ? '$' : (env[name] ?? '<variable>'),
      ),
  );
}
