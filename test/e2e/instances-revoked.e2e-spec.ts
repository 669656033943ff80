import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Api, TestOrg } from '../support/api.js';
import { InstanceMachine } from '../support/instance-machine.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let org: TestOrg;
let root: Api;
let args: string[];
const machines: InstanceMachine[] = [];
beforeAll(async () => {
  server = await startServer();
  root = Api.root(server);
  org = await TestOrg.create(root);
  const { siteProvisioningKey } = await org.key({ approveNewSites: true });
  args = ['--provisioning-key', siteProvisioningKey];
});
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.remove();
});
afterAll(() => server?.stop());

function machineNamed(name: string): InstanceMachine {
  const machine = new InstanceMachine(org, name);
  machines.push(machine);
  return machine;
}
const NOWHERE = 'http://127.0.0.1:1';

describe('a site that is over', () => {
  it.each([
    ['revoked', (siteId: number) => root.expect('POST', `/site/${siteId}/revoke`, {})],
    ['deleted', (siteId: number) => root.expect('DELETE', `/site/${siteId}`)],
  ])('because it was %s: the program ends, and never starts again, also without the server', async (what, end) => {
    const machine = machineNamed(what);
    const program = machine.run(args);
    await machine.hasRun(program);
    await end((await machine.site())!.siteId);
    const { code, stderr } = await program.ended;
    expect(code, stderr).toBe(77);
    expect(stderr).toContain('as the server has signed');
    expect(machine.ran).toEqual(['ran', 'ended']);
    expect(readFileSync(machine.state, 'utf8')).not.toContain('"secret"');
    expect((await machine.run([], NOWHERE).ended).code).toBe(77);
    expect(machine.ran).toHaveLength(2);
  });

  it('is found out by a machine that was off meanwhile, also after the signing keys went on', async () => {
    const machine = machineNamed('off');
    await machine.once(args);
    await root.expect('POST', `/site/${(await machine.site())!.siteId}/revoke`, {});
    for (let i = 0; i < 2; i++) await root.expect('POST', org.path('signing-key/rotate'), {});
    const { code, stderr } = await machine.run([]).ended;
    expect(code, stderr).toBe(77);
    expect(stderr).toContain('as the server has signed');
    expect((await machine.run([], NOWHERE).ended).code).toBe(77);
    expect(machine.ran).toEqual(['ran', 'ended']);
  });
});
