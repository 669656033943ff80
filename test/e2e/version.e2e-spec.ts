import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startServer, type TestServer } from '../support/server.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string };
let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server?.stop();
});

const json = async (path: string) => (await (await fetch(`${server.url}${path}`)).json()) as Record<string, never>;

it('server, document and agent say the version of package.json', async () => {
  expect(server.logs).toContain(`Gatehouse ${version} is running.`);
  expect((await json('/api/openapi.json'))['info']).toMatchObject({ version });
  expect(await json('/agent/version.json')).toMatchObject({ version });
  const agent = execFileSync(process.execPath, ['libs/agent/bin/gatehouse-agent.mjs', '--version'], { cwd: root });
  expect(String(agent)).toBe(`gatehouse-agent ${version}\n`);
  expect(await (await fetch(`${server.url}/agent/gatehouse-agent.mjs`)).text()).toContain(
    `gatehouse-agent ${version},`,
  );
});
