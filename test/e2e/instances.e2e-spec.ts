import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Api, register, TestOrg } from '../support/api.js';
import { queryDatabase } from '../support/database.js';
import { InstanceMachine } from '../support/instance-machine.js';
import { startServer, type TestServer, until } from '../support/server.js';

let server: TestServer;
let org: TestOrg;
let root: Api;
const machines: InstanceMachine[] = [];
beforeAll(async () => {
  server = await startServer();
  root = Api.root(server);
  org = await TestOrg.create(root);
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
const keyOf = async (body: Record<string, unknown> = {}) => {
  const made = await org.key({ approveNewSites: true, ...body });
  return { ...made, args: ['--provisioning-key', made.siteProvisioningKey] };
};

describe('a program starts only with a valid key', () => {
  it('of this organization, and its site has its bundle applied', async () => {
    const machine = machineNamed('valid');
    const { args } = await keyOf({ maxBatchSize: 1 });
    await machine.once(args, true);
    await machine.once(args); // the key is spent; the machine has its own credential by now
    expect((await org.sites()).sites.filter(({ name }) => name === 'valid')).toHaveLength(1);
  });

  it.each(['wrong', 'used up', 'expired', 'revoked'])('not with one that is %s: 77', async (what) => {
    const key = await keyOf(what === 'used up' ? { oneTime: true } : {});
    const { siteProvisioningKeyId: id, siteProvisioningKey } = key;
    if (what === 'used up')
      await register(server.url, { provisioningKey: siteProvisioningKey, hardwareId: 'somebody-else' });
    if (what === 'expired')
      await queryDatabase(
        server.databaseUrl,
        `UPDATE provisioning_key SET expires_at = now() - interval '1 second' WHERE key_id = '${id}'`,
      );
    if (what === 'revoked') await root.expect('POST', org.path(`site-provisioning-key/${id}/revoke`), {});
    const args = what === 'wrong' ? ['--provisioning-key', `${siteProvisioningKey}x`] : key.args;
    const machine = machineNamed(what);
    const { code, stderr } = await machine.run(args).ended;
    expect(code, stderr).toBe(77);
    expect(machine.ran).toEqual([]);
  });

  it('not before the server was reached: 69; from what is stored later on', async () => {
    const machine = machineNamed('away');
    const { args } = await keyOf();
    expect((await machine.run(args, 'http://127.0.0.1:1').ended).code).toBe(69);
    expect(machine.ran).toEqual([]);
    await machine.once(args);
    const offline = machine.run([], 'http://127.0.0.1:1');
    await machine.hasRun(offline, 2);
    offline.child.kill('SIGTERM');
    expect((await offline.ended).code).toBe(0);
  });

  it('and not before the site is approved', async () => {
    const machine = machineNamed('pending');
    const { args } = await keyOf({ approveNewSites: false });
    const { code } = await machine.run([...args, '--no-wait']).ended;
    expect(code).toBe(75);
    const program = machine.run(args);
    await until(() => program.stderr.includes('an operator finds this site as'));
    const { siteId } = (await machine.site())!;
    expect(machine.ran).toEqual([]);
    await root.expect('POST', `/site/${siteId}`, { status: 'approved' });
    await machine.hasRun(program);
  });

  it('also on a machine that was enrolled before there were bundle keys', async () => {
    const machine = machineNamed('older');
    const { args } = await keyOf();
    await machine.once(args);
    const { siteId } = (await machine.site())!;
    await queryDatabase(
      server.databaseUrl,
      `UPDATE site_bundle SET bundle_key = NULL, bundle_jkt = NULL WHERE site_id = ${siteId}`,
    );
    const { bundleKey: _key, ...state } = JSON.parse(readFileSync(machine.state, 'utf8')) as Record<string, unknown>;
    writeFileSync(machine.state, JSON.stringify(state));
    rmSync(machine.state.replace('.json', '.instance'), { recursive: true });
    await machine.once([]);
  });
});

describe('an organization that trusts its keys', () => {
  it('rotates them three times, and an image that was pinned before that starts', async () => {
    const { trustFingerprint } = await root.expect<{ trustFingerprint: string }>('GET', org.path('signing-keys'));
    const { args } = await keyOf();
    const running = machineNamed('rotated');
    await running.once(args);
    for (let i = 0; i < 3; i++) await root.expect('POST', org.path('signing-key/rotate'), {});
    await running.once([]);
    const image = machineNamed('image');
    await image.once([...args, '--trust-fingerprint', trustFingerprint]);
    const other = await TestOrg.create(root);
    const { trustFingerprint: foreign } = await root.expect<{ trustFingerprint: string }>(
      'GET',
      other.path('signing-keys'),
    );
    const stranger = machineNamed('stranger');
    const { code, stderr } = await stranger.run([...args, '--trust-fingerprint', foreign]).ended;
    expect({ code, stderr }).toEqual({ code: 78, stderr: expect.stringContaining('at "trustFingerprint"') });
    expect(stranger.ran).toEqual([]);
    expect(await stranger.site()).toBeUndefined();
  });

  it('whose server comes back from a backup goes on, in a higher epoch', async () => {
    const machine = machineNamed('restored');
    const { args } = await keyOf();
    await machine.once(args);
    const before = (await machine.bundle())!.version;
    const { siteId } = (await machine.site())!;
    await queryDatabase(server.databaseUrl, 'UPDATE bundle_epoch SET epoch = epoch + 1');
    await root.expect('POST', `/site/${siteId}/bundle/resend`, {});
    await machine.once([]);
    expect((await machine.bundle())!.version).toBeGreaterThan(before);
  });
});

it('a copied state is seen by the chain of leases', async () => {
  const machine = machineNamed('original');
  const { args } = await keyOf();
  await machine.once(args);
  const copy = machineNamed('original');
  cpSync(join(machine.folder, 'state'), join(copy.folder, 'state'), {
    recursive: true,
    filter: (path) => !path.includes('.lock.'),
  });
  for (const one of [machine, copy, machine]) await one.once([]);
  const { siteId } = (await machine.site())!;
  const events = () =>
    queryDatabase(server.databaseUrl, `SELECT 1 FROM event WHERE type = 'site.cloned' AND site_id = ${siteId}`);
  await until(async () => (await events()).length > 0);
});
