import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasProgram, shellBlocks, tableRows } from '../support/readme.js';
import { freePort, startServer, TEST_ROOT_KEY, type TestServer } from '../support/server.js';

const CREDENTIALS = new URL('../../docs/credentials.md', import.meta.url);
const KINDS = ['API key', 'newt', 'pre-shared key', 'certificate', 'EST', 'revocation list'];
const isPossible = ['openssl', 'curl', 'awk', 'base64', 'od'].every(hasProgram);

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-readme-'));
const blocks = shellBlocks('Which credential when');
let server: TestServer;
/** What the lines of each kind printed. */
let printed: Map<string, string>;

function run(script: string): string {
  const env = { PATH: `${join(process.execPath, '..')}:${process.env['PATH'] ?? ''}`, ROOT_API_KEY: TEST_ROOT_KEY };
  const { status, stdout, stderr } = spawnSync('sh', ['-euc', script], { cwd: folder, env, encoding: 'utf8' });
  expect({ status, stderr }).toMatchObject({ status: 0 });
  return stdout;
}

beforeAll(async () => {
  if (!isPossible) return;
  mkdirSync(join(folder, '.gatehouse'));
  run(blocks.get('1')!);
  const { DEVICE_TLS_PORT: _, ...files } = parseEnv(readFileSync(join(folder, '.env'), 'utf8')) as Record<
    string,
    string
  >;
  const devicePort = await freePort();
  const env = Object.fromEntries(Object.entries(files).map(([name, file]) => [name, join(folder, file)]));
  server = await startServer({ env: { ...env, DEVICE_TLS_PORT: String(devicePort) } });
  const shared = blocks.get('2')!.replace(':3000', `:${server.port}`).replace(':3001', `:${devicePort}`);
  // A key that was claimed a moment ago may not be known yet; the lines are for another device then.
  const again = (lines: string) => `until (\n${lines}); do N=$((N + 1)); done\n`;
  const script = KINDS.map((kind) => {
    const lines = blocks.get(kind)!;
    return `printf '\\n=== %s\\n' '${kind}'\n${kind === 'pre-shared key' ? again(lines) : lines}`;
  });
  // With the certificate of above.
  const renewal = /```sh\n(subject=[\s\S]*?)```/.exec(readFileSync(CREDENTIALS, 'utf8'))![1]!;
  script.push(`printf '\\n=== %s\\n' renewal\n${renewal.replaceAll('https://gate.example.com:3001', '"$DEVICES"')}`);
  const parts = run(`${shared}${script.join('')}`)
    .split('\n=== ')
    .slice(1);
  printed = new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]));
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!isPossible)('the lines of the README for each kind of credential', () => {
  it.each([
    ['API key', 2],
    ['newt', 1],
    ['pre-shared key', 1],
    ['certificate', 1],
    ['EST', 1],
    ['renewal', 1],
  ])('authenticate: %s', (kind, times) => {
    expect(printed.get(kind)!.match(/"device_id":"[0-9a-f-]{36}"/g)).toHaveLength(times);
  });

  it('are those of the table', () => {
    const lines = tableRows('Which credential when').map((row) => /`((?:curl|openssl) .*)`/.exec(row)![1]!);
    expect(lines).toHaveLength(5);
    for (const line of lines) expect([...blocks.values()].join('')).toContain(line);
  });

  it('fetch the bundle of a newt, which is signed', () => {
    expect(printed.get('newt')).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+\{/);
  });

  it('show the revocation list', () => {
    expect(printed.get('revocation list')).toContain('No Revoked Certificates');
  });
});
