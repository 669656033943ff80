import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { systemClock } from '../../libs/agent/src/index.js';
import { TestAgent } from './agent.js';
import { Api, TestOrg } from './api.js';
import { startServer, type TestServer } from './server.js';

// Blueprints end to end: real agents and a newt, a built server, PostgreSQL.
export let server: TestServer;
export let org: TestOrg;
let folder: string;
let agents: TestAgent[];
export function start(key: string, cli: object, env: Record<string, string> = {}, from?: TestAgent): TestAgent {
  const agent = TestAgent.start(
    { endpoint: server.url, provisioningKey: key, ...cli },
    { clock: systemClock, env, ...(from ? { folder: from.folder } : {}) },
  );
  agents.push(agent);
  return agent;
}
export const file = (text: string, name = 'blueprint.yaml') => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
export const host = (name: string) => `${name}-${org.orgId}.localhost`;
export const web = (name: string, port: number, key = 'web') =>
  `public-resources:\n  ${key}:\n    name: ${name}\n    protocol: http\n    full-domain: "${host(key)}"\n    targets:\n      - method: http\n        hostname: localhost\n        port: ${port}\n`;
interface Item {
  resourceId: number;
  niceId: string;
  name: string;
  fullDomain: string;
  enabled: boolean;
  targets: { port: number; siteId: number }[];
}
export const resources = async () =>
  (await org.root.expect<{ resources: Item[] }>('GET', org.path('resources'))).resources;
export const history = async () =>
  (
    await org.root.expect<{ blueprints: { blueprintId: number; source: string; succeeded: boolean }[] }>(
      'GET',
      org.path('blueprints'),
    )
  ).blueprints;

/** A server, and an organization and a folder for each test, whose agents are stopped after it. */
export function setUpBlueprintAgents(): void {
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    org = await TestOrg.create(Api.root(server));
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-blueprints-'));
    agents = [];
  });
  afterEach(async () => {
    for (const agent of agents) await agent.remove();
    rmSync(folder, { recursive: true, force: true });
  });
}
