import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SiteSession } from '../../src/agents/sessions/site-sessions.dto.js';
import { type Program, startAgentProgram } from '../support/agent-process.js';
import { Api, newHardwareId, TestOrg } from '../support/api.js';
import { startServer, type TestServer, until } from '../support/server.js';

let server: TestServer;
let root: Api;
let org: TestOrg;
let key: string;
let folder: string;
const agents: Program[] = [];
beforeAll(async () => {
  server = await startServer();
  root = Api.root(server);
  org = await TestOrg.create(root);
  key = (await org.key({ approveNewSites: true })).siteProvisioningKey;
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-site-sessions-'));
});
afterEach(async () => {
  for (const { child } of agents) child.kill('SIGKILL');
  await Promise.all(agents.splice(0).map(({ ended }) => ended));
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const sessions = async (siteId: number): Promise<SiteSession[]> =>
  (await root.expect<{ sessions: SiteSession[] }>('GET', `/site/${siteId}/sessions`)).sessions;
const ended = (siteId: number) => until(async () => (await sessions(siteId)).find(({ endedAt }) => endedAt !== null));

/** The real agent, enrolled and connected at this server. */
async function agent(at: TestServer): Promise<{ siteId: number; program: Program }> {
  const hardwareId = newHardwareId();
  const file = join(folder, `${hardwareId}.json`);
  const program = startAgentProgram([
    ...['--config-file', file, '--endpoint', at.url, '--provisioning-key', key, '--hardware-id', hardwareId],
  ]);
  agents.push(program);
  const site = await until(async () => {
    const { sites } = await org.sites(`&hardwareId=${hardwareId}`);
    return sites[0]?.online ? sites[0] : undefined;
  });
  await until(async () => (await sessions(site.siteId))[0]?.clientVersion);
  return { siteId: site.siteId, program };
}

describe('the session of a real agent ends', () => {
  it('as connection_lost when the agent is killed, and as closed when it is stopped', async () => {
    for (const [signal, reason] of [
      ['SIGKILL', 'connection_lost'],
      ['SIGTERM', 'closed'],
    ] as const) {
      const { siteId, program } = await agent(server);
      program.child.kill(signal);
      expect(await ended(siteId)).toMatchObject({
        endReason: reason,
        address: '127.0.0.1',
        clientType: 'agent',
        clientVersion: expect.stringMatching(/^\d+\.\d+\.\d+/),
      });
    }
  });

  it('as revoked, and none follows', async () => {
    const { siteId, program } = await agent(server);
    await root.expect('POST', `/site/${siteId}/revoke`, {});
    expect(await ended(siteId)).toMatchObject({ endReason: 'revoked' });
    expect((await program.ended).code).toBe(77);
    expect(await sessions(siteId)).toHaveLength(1);
  });

  it('as server_stopped and as server_lost with its server', async () => {
    for (const [end, reason] of [
      ['stop', 'server_stopped'],
      ['kill', 'server_lost'],
    ] as const) {
      const other = await startServer({ databaseUrl: server.databaseUrl });
      const { siteId } = await agent(other);
      await other[end]();
      // What it left is ended by the next life of the same place, at once.
      const again = await startServer({
        databaseUrl: server.databaseUrl,
        port: other.port,
        ...(end === 'kill' ? { dataDir: other.dataDir } : {}),
      });
      expect(await ended(siteId)).toMatchObject({ endReason: reason });
      await again.stop();
      await other.stop();
    }
  });
});
