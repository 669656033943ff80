import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Program } from '../support/agent-process.js';
import { freePort, until } from '../support/server.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));
/** What a clone does not bring along. */
const MADE = new Set(['node_modules', 'dist', '.git', '.gatehouse', '.env', 'coverage']);

let folder: string;
let clone: string;

/** A clone that nothing was installed or built in, on a machine with node and a shell alone. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-clone-'));
  clone = join(folder, 'clone');
  cpSync(repository, clone, { recursive: true, filter: (path) => !MADE.has(basename(path)) });
  mkdirSync(join(folder, 'bin'));
  for (const [name, path] of [
    ['node', process.execPath],
    ['sh', '/bin/sh'],
  ])
    symlinkSync(path!, join(folder, 'bin', name!));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** `npm start`, without the npm. */
function start(env: Record<string, string> = {}): Program {
  return new Program(
    spawn(process.execPath, ['scripts/start.mjs'], {
      cwd: clone,
      env: { PATH: join(folder, 'bin'), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

const nothingWasMade = (): void => {
  for (const name of MADE) if (name !== '.env') expect([name, existsSync(join(clone, name))]).toEqual([name, false]);
};

describe('before anything is installed, a start', () => {
  it('says all that is wrong with the configuration', async () => {
    writeFileSync(join(clone, '.env'), 'PORT=70000\nPUBLIC_ULR=https://gate.example.com\nSMTP_URL=smtp://127.0.0.1\n');
    expect(await start({ LOG_LEVEL: 'loud', TLS_CERT_FILE: 'none.pem' }).ended).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `6 settings are wrong:
  PUBLIC_ULR in .env is not a variable of Gatehouse; did you mean PUBLIC_URL?
  PORT must be a whole number from 0 to 65535, not "70000".
  LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, not "loud".
  TLS_CERT_FILE is set but TLS_KEY_FILE is not; HTTPS needs both.
  SMTP_URL is set but MAIL_FROM is not; mail needs both.
  TLS_CERT_FILE: ${clone}/none.pem cannot be read (ENOENT).
`,
    });
    nothingWasMade();
  });

  it('says that its ports are taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const metrics = createServer().listen(0, '127.0.0.1');
    await once(metrics, 'listening');
    const { port: metricsPort } = metrics.address() as AddressInfo;
    const { code, stdout, stderr } = await start({ PORT: String(port), METRICS_PORT: String(metricsPort) }).ended;
    other.close();
    metrics.close();
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: `PORT ${port} is in use by another program on 127.0.0.1; stop that one or set another PORT.
METRICS_PORT ${metricsPort} is in use by another program on 127.0.0.1; stop that one or set another METRICS_PORT.
`,
    });
    nothingWasMade();
  });
});

describe('an installation', () => {
  it('says about how long it takes, that it lives, and what was said when it failed', async () => {
    const go = join(folder, 'go');
    writeFileSync(
      join(folder, 'bin/npm'),
      `#!${process.execPath}\nsetInterval(() => require('fs').existsSync('${go}') && (console.log('the registry is away'), process.exit(1)), 50);\n`,
      { mode: 0o755 },
    );
    const program = start({ PORT: String(await freePort()) });
    await until(() => program.stdout.includes('at it for'));
    writeFileSync(go, '');
    const { code, stdout, stderr } = await program.ended;
    expect(stdout).toMatch(/^Installing the packages \(about .*minute.*\) …\n( {2}at it for \d+ s …\n)+$/);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'the registry is away\nInstalling the packages failed; what it said stands above.\n',
    });
  });
});
