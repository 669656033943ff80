import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Program, startAgentProgram } from '../support/agent-process.js';
import { Api, newHardwareId, newNonce, TestOrg } from '../support/api.js';
import { dyingServer } from '../support/dying-server.js';
import { Newt } from '../support/newt.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { arm, withinRequest } from '../support/within-request.js';

interface Site {
  siteId: number;
  niceId: string;
  hardwareId: string | null;
  deviceId: string;
  online: boolean;
}

let server: TestServer;
let org: TestOrg;
let folder: string;
let programs: Program[];
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.stop());
beforeEach(async () => {
  org = await TestOrg.create(Api.root(server));
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-replace-'));
  programs = [];
});
afterEach(async () => {
  for (const program of programs) {
    program.child.kill('SIGTERM');
    await program.ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

const site = (siteId: number) => org.root.expect<Site>('GET', `/site/${siteId}`);
const byHardware = async (hardwareId: string) => {
  const { sites } = await org.root.expect<{ sites: Site[] }>('GET', org.path(`sites?hardwareId=${hardwareId}`));
  return sites[0];
};
const file = (name: string) => join(folder, `${name}.json`);

/** An agent of a machine that says this hardware id. @returns it once its session is open */
async function agent(name: string, key: string, hardwareId = newHardwareId()) {
  writeFileSync(file(name), JSON.stringify({ claim: { hardwareId, nonce: newNonce() } }), { mode: 0o600 });
  const program = startAgentProgram(['--config-file', file(name), '--endpoint', server.url, '--provisioning-key', key]);
  programs.push(program);
  const found = await until(async () => {
    const one = await byHardware(hardwareId);
    return one?.online && one;
  });
  return { program, hardwareId, siteId: found.siteId, credential: () => readFileSync(file(name), 'utf8') };
}

describe('a site gets another device', () => {
  it('that has a site: its agent goes on as the site that stays, with the credential that it has', async () => {
    const { siteProvisioningKey } = await org.key({ approveNewSites: true });
    const old = await agent('old', siteProvisioningKey);
    const other = await agent('other', siteProvisioningKey);
    const before = await site(old.siteId);
    const credential = other.credential();
    await org.root.expect('POST', `/site/${old.siteId}/replace`, { bySiteId: other.siteId });
    await until(async () => {
      const now = await site(old.siteId);
      return now.online && now.hardwareId === other.hardwareId;
    });
    expect((await site(old.siteId)).niceId).toBe(before.niceId);
    await until(
      () => other.program.stderr.includes(`site ${old.siteId}`) || other.program.stdout.includes(`site ${old.siteId}`),
    );
    expect(other.program.child.exitCode).toBeNull();
    expect(JSON.parse(other.credential())).toMatchObject({ id: (JSON.parse(credential) as { id: string }).id });
    // The old one is told that it is over, and gets nothing any more.
    await until(() => /revoked|cannot be used|401/i.test(old.program.stderr + old.program.stdout));
    expect((await site(old.siteId)).hardwareId).toBe(other.hardwareId);
  });

  it('that comes later: its first start becomes the site', async () => {
    const { siteProvisioningKey } = await org.key({ approveNewSites: true });
    const old = await agent('old', siteProvisioningKey);
    const hardwareId = newHardwareId();
    await org.root.expect('POST', `/site/${old.siteId}/replace`, { hardwareId });
    const next = await agent('next', siteProvisioningKey, hardwareId);
    expect(next.siteId).toBe(old.siteId);
    expect((await org.sites()).pagination.total).toBe(1);
  });

  it('that is an unmodified newt: it comes back as the site that stays', async () => {
    const made = async () => {
      const { siteProvisioningKey } = await org.keyUnder({ newtDoor: true }, { approveNewSites: true });
      const { newtId, secret } = await org.root.expect<{ newtId: string; secret: string }>(
        'POST',
        '/auth/newt/register',
        {
          provisioningKey: siteProvisioningKey,
        },
      );
      const { sites } = await org.sites();
      return { newtId, secret, siteId: Math.max(...sites.map((one) => one.siteId)) };
    };
    const [old, other] = [await made(), await made()];
    const newt = new Newt({ url: server.url, newtId: other.newtId, secret: other.secret });
    await newt.connect();
    await until(async () => (await site(other.siteId)).online);
    await org.root.expect('POST', `/site/${old.siteId}/replace`, { bySiteId: other.siteId });
    await until(async () => newt.connections > 1 || !newt.isConnected);
    if (!newt.isConnected) await newt.connect();
    await until(async () => (await site(old.siteId)).online);
    await newt.stop();
    expect(newt.problems).toEqual(['the server closed the connection']);
    await expect(new Newt({ url: server.url, newtId: old.newtId, secret: old.secret }).connect()).rejects.toThrow(
      /401/,
    );
  });
});

describe('a server that is killed while it replaces', () => {
  it.each(['COMMIT', 'answer'] as const)(
    'at the %s has done all of it or nothing, and asked again it is done',
    async (at) => {
      const ids = await dyingServer(server.databaseUrl, withinRequest, async (doomed, armed) => {
        const root = Api.root(doomed);
        const devices = [newHardwareId(), newHardwareId()];
        const { siteProvisioningKey } = await org.key({ approveNewSites: true });
        const sites: number[] = [];
        for (const hardware_id of devices) {
          await root.post('/provision', { provision_key: siteProvisioningKey, hardware_id, device_name: 'd' });
          sites.push((await byHardware(hardware_id))!.siteId);
        }
        const path = `/site/${sites[0]}/replace`;
        arm(armed, { request: `POST ${path}`, at });
        await root.post(path, { bySiteId: sites[1] }).catch(() => undefined);
        return sites as [number, number];
      });
      const other = (await org.root.get(`/site/${ids[1]}`)).status;
      expect(other).toBe(at === 'answer' ? 404 : 200);
      const again = await org.root.expect<{ state: string }>('POST', `/site/${ids[0]}/replace`, { bySiteId: ids[1] });
      expect(again).toMatchObject({ state: 'done' });
      expect((await org.sites()).pagination.total).toBe(1);
    },
  );
});
