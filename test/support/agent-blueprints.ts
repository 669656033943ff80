import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { type AgentBlueprint } from '#contracts';
import { type AgentOptions } from '../../libs/agent/src/index.js';
import { TestAgent } from './agent.js';
import { FakeServer, type FakeSession, KEY } from './fake-server.js';

export let server: FakeServer;
export let folder: string;
let agents: TestAgent[];
export function start(
  cli: object = {},
  options: Partial<AgentOptions> & { file?: object; folder?: string } = {},
): TestAgent {
  const agent = TestAgent.start({ endpoint: server.url, provisioningKey: KEY, ...cli }, options);
  agents.push(agent);
  return agent;
}
export const path = (name = 'blueprint.yaml') => join(folder, name);
export const document = (port: number | string) =>
  `private-resources:\n  db:\n    name: DB\n    mode: host\n    destination: localhost\n    tcp-ports: "${port}"\n`;
export function write(text: string, name?: string): string {
  writeFileSync(path(name), text);
  return path(name);
}
/** The n-th session, welcomed. */
export async function welcomed(n = 1): Promise<FakeSession> {
  const session = await server.session(n);
  session.welcome();
  return session;
}
/** The n-th blueprint of a session. */
export async function sent(session: FakeSession, n = 1): Promise<AgentBlueprint> {
  await server.until(() => session.of('agent/blueprint').length >= n);
  return session.of('agent/blueprint')[n - 1] as AgentBlueprint;
}
export const answer = (session: FakeSession, { id }: AgentBlueprint, ok = true, more: object = {}) =>
  session.send('agent/blueprint-result', { id, ok, message: ok ? 'Blueprint applied' : 'not possible', ...more });
export const log = (agent: TestAgent, text: string | RegExp) => expect.poll(() => agent.output).toMatch(text);

/** A server that the test plays, and a folder for each test. */
export function setUpAgentBlueprints(): void {
  beforeEach(async () => {
    server = await FakeServer.start();
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-blueprint-'));
    agents = [];
  });
  afterEach(async () => {
    for (const agent of agents) await agent.remove();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
}
