import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAgentProgram } from '../support/agent-process.js';
import { FakeInstances } from '../support/fake-instances.js';
import { KEY } from '../support/fake-server.js';
import { until } from '../support/server.js';

let instances: FakeInstances;
let folder: string;
beforeEach(async () => {
  instances = await FakeInstances.start();
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-program-'));
  instances.offered = {
    env: { GREETING: ["it's\n", { env: 'NAME', line: 1, column: 1 }] },
    files: [{ path: 'config/app.yaml', mode: '0400', content: ['listen: 8080\n'] }],
    config: { region: 'eu' },
  };
});
afterEach(async () => {
  await instances.stop();
  rmSync(folder, { recursive: true });
});

const config = () => join(folder, 'state', 'config.json');
const agent = (args: string[], env: Record<string, string> = {}) =>
  startAgentProgram(['--config-file', config(), '--endpoint', instances.url, ...args], {
    env: { NAME: 'badger', ...env },
  });
const run = (script: string, args: string[] = [], env: Record<string, string> = {}) =>
  agent(['run', '--bundle-dir', join(folder, 'b'), ...args, '--', process.execPath, '-e', script], {
    NEWT_PROVISIONING_KEY: KEY,
    ...env,
  });

describe('gatehouse-agent run', () => {
  it('gives the program variables, files and configuration, and ends as it does', async () => {
    const program = run(
      `const { readFileSync: read } = require('node:fs');
       const { GREETING, GATEHOUSE_BUNDLE, GATEHOUSE_CONFIG, NEWT_PROVISIONING_KEY } = process.env;
       console.log(JSON.stringify([GREETING, read(GATEHOUSE_BUNDLE + '/config/app.yaml', 'utf8'), JSON.parse(read(GATEHOUSE_CONFIG)), NEWT_PROVISIONING_KEY ?? null]));
       process.exit(42)`,
    );
    const { code, stdout, stderr } = await program.ended;
    expect({ code, stderr }).toMatchObject({ code: 42 });
    expect(JSON.parse(stdout)).toEqual(["it's\nbadger", 'listen: 8080\n', { region: 'eu' }, null]);
    expect(readdirSync(join(folder, 'b'))).toEqual(['ready'].filter((name) => existsSync(join(folder, 'b', name))));
    for (const secret of [KEY, 'badger']) expect(stderr).not.toContain(secret);
  });

  it('passes signals on once, and answers 128 and the number of the one that ended it', async () => {
    const program = run(
      "process.on('SIGTERM', () => { console.log('once'); process.exit(7) }); console.log('up'); setInterval(() => {}, 1e6)",
    );
    await until(() => program.stdout.includes('up'));
    program.child.kill('SIGTERM');
    expect(await program.ended).toMatchObject({ code: 7, stdout: 'up\nonce\n' });
    const killed = run("console.log('up'); process.kill(process.pid, 'SIGKILL')");
    expect((await killed.ended).code).toBe(137);
  });

  it('is stopped before there is a program, without starting it', async () => {
    instances.status = 'pending';
    const program = run("console.log('up')");
    await until(() => program.stderr.includes('waiting for approval'));
    program.child.kill('SIGTERM');
    expect(await program.ended).toMatchObject({ code: 143, stdout: '' });
  });
});

describe('gatehouse-agent bundle', () => {
  it('pull does it once, for another that starts the program; status tells of it', async () => {
    const envFile = join(folder, 'variables');
    const out = join(folder, 'out');
    const env = { NEWT_PROVISIONING_KEY: KEY };
    const pulled = await agent(['bundle', 'pull', '--out', out, '--env-out', envFile], env).ended;
    expect(pulled).toMatchObject({ code: 0, stdout: '' });
    await instances.acknowledged('applied');
    expect(readFileSync(join(out, 'current', 'config', 'app.yaml'), 'utf8')).toBe('listen: 8080\n');
    expect(statSync(envFile).mode & 0o777).toBe(0o600);
    const shell = execFileSync('/bin/sh', ['-c', `. "$1"; printf %s "$GREETING"`, 'sh', envFile]).toString();
    expect(shell).toBe("it's\nbadger");

    const status = await agent(['bundle', 'status', '--json']).ended;
    expect(status.code).toBe(0);
    expect(JSON.parse(status.stdout)).toMatchObject({
      site: instances.server.sites[0]?.newtId,
      appliedVersion: instances.version,
      storedVersion: instances.version,
      signingKey: instances.authority.current.kid,
      failed: null,
      revoked: null,
    });
    expect((await agent(['bundle', 'status']).ended).stdout).toMatch(/^lease +taken at .*ends at/m);

    await instances.revoke();
    expect((await agent(['bundle', 'pull', '--out', out]).ended).code).toBe(77);
    expect(existsSync(join(out, 'current'))).toBe(false);
    const after = await agent(['bundle', 'status', '--json']).ended;
    expect(after).toMatchObject({ code: 77, stdout: expect.stringContaining('"reason": "revoked"') });
  });

  it('pull waits for no server longer than it is told', async () => {
    instances.answers.bundle = () => ({ status: 0, cut: true });
    const env = { NEWT_PROVISIONING_KEY: KEY };
    const out = join(folder, 'out');
    expect((await agent(['bundle', 'status']).ended).code).toBe(78);
    expect((await agent(['bundle', 'pull', '--out', out, '--wait', 'soon'], env).ended).code).toBe(64);
    expect((await agent(['bundle', 'pull', '--out', out, '--wait', '0'], env).ended).code).toBe(69);
    expect((await agent(['bundle', 'status']).ended).code).toBe(69);
  });
});
