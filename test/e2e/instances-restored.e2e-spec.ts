import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EPOCH } from '#contracts';
import { repository } from '../support/agent-process.js';
import { Api, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase } from '../support/database.js';
import { InstanceMachine } from '../support/instance-machine.js';
import { findMachinePostgres, startMachinePostgres } from '../support/machine-postgres.mjs';
import { secretValue } from '../support/secret-values.js';
import { freePort, startServer, TEST_MASTER_KEY, type TestServer, until } from '../support/server.js';

const machinePostgres = findMachinePostgres();
const PATH = process.env['PATH'] ?? '';
let folder: string;
let port: number;
let server: TestServer | undefined;
let root: Api;
const machines: InstanceMachine[] = [];
const cleanUp: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-restored-'));
  // PostgreSQL under root runs as another account, which must get through.
  chmodSync(folder, 0o711);
  port = await freePort();
});
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.remove();
  await stop();
  for (const work of cleanUp.splice(0).reverse()) await work();
  rmSync(folder, { recursive: true, force: true });
});

/** On the port of the one before, which is where machines look for it. */
async function start(databaseUrl: string): Promise<void> {
  server = await startServer({ databaseUrl, port, dataDir: join(folder, 'data') });
  root = Api.root(server);
}
async function stop(): Promise<void> {
  await server?.stop();
  server = undefined;
}

/** An organization with machines, whose profile holds leases back from clones. */
class Fleet {
  private constructor(
    readonly org: TestOrg,
    private readonly profileId: number,
    private readonly args: string[],
  ) {}

  static async create(): Promise<Fleet> {
    const org = await TestOrg.create(root);
    await root.expect('PUT', org.path('secret'), { name: 'TOKEN', value: secretValue('one') });
    const { profileId } = await root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
      name: 'restored',
      onClone: 'hold',
    });
    const key = await org.keyUnder(
      { profileId, approveNewSites: true, hardwareIdPattern: '[0-9a-f-]{36}' },
      { maxBatchSize: 10, validUntil: new Date(Date.now() + 86_400_000).toISOString() },
    );
    const fleet = new Fleet(org, profileId, ['--provisioning-key', key.siteProvisioningKey]);
    await fleet.save('before');
    return fleet;
  }

  save = (text: string) =>
    root.expect('PUT', this.org.path(`provisioning-profile/${this.profileId}/bootstrap`), {
      document: `env: { TOKEN: "{{secret.TOKEN}}", TEXT: "${text}" }\nrun: { ready: { afterSeconds: 0 } }\n`,
      rollout: { canary: 0, perMinute: null },
    });

  async machine(name: string): Promise<InstanceMachine> {
    const machine = new InstanceMachine(this.org, name);
    machines.push(machine);
    await machine.once(this.args, true);
    return machine;
  }
}

/** It runs with the newest version that there is. */
const applied = async (machine: InstanceMachine, after = 0) =>
  until(async () => {
    const bundle = (await machine.bundle().catch(() => undefined)) as
      | { state: string; version: number; appliedVersion: number }
      | undefined;
    return bundle?.state === 'applied' && bundle.appliedVersion === bundle.version && bundle.version > after && bundle;
  });

/** What runs goes on, and what starts does, though both have had what the backup does not know. */
async function goOnAfter(databaseUrl: string, backUp: () => Promise<void>, restore: () => Promise<string>) {
  await start(databaseUrl);
  const fleet = await Fleet.create();
  const [running, stopped] = [await fleet.machine('running'), await fleet.machine('stopped')];
  const agent = running.run([]);
  await running.hasRun(agent, 2);
  await backUp();

  for (const text of ['after', 'after that']) {
    const { version } = await applied(running);
    await fleet.save(text);
    await applied(running, version);
    await stopped.once([], true);
  }
  await stop();
  await start(await restore());

  await applied(running, 2 * EPOCH);
  await stopped.once([], true);
  await applied(stopped, 2 * EPOCH);
  // And with what is changed from now on.
  const { version } = await applied(running);
  await fleet.save('restored');
  await applied(running, version);
  expect(agent.child.exitCode).toBeNull();
  const { events } = await root.expect<{ events: { type: string }[] }>('GET', fleet.org.path('events?limit=200'));
  expect(events.filter(({ type }) => ['site.cloned', 'bundle.failed'].includes(type))).toEqual([]);
}

it('instances go on when the files of the database are put back, and a new epoch begins', async () => {
  const [data, backup] = [join(folder, 'data'), join(folder, 'backup')];
  await goOnAfter(
    'embedded',
    async () => {
      await stop();
      execFileSync('cp', ['-a', data, backup]);
      await start('embedded');
    },
    async () => {
      rmSync(data, { recursive: true });
      execFileSync('cp', ['-a', backup, data]);
      const env = { PATH, DATA_DIR: data, MASTER_KEY: TEST_MASTER_KEY };
      execFileSync(process.execPath, [join(repository, 'dist/server/admin.js'), 'new-epoch'], { cwd: folder, env });
      return 'embedded';
    },
  );
});

it.skipIf(!machinePostgres)('instances go on when the database is restored from a dump', async () => {
  const postgres = await startMachinePostgres(machinePostgres!);
  cleanUp.push(() => postgres.stop());
  const dump = join(folder, 'dump');
  const tool = (name: string, ...args: string[]) =>
    execFileSync(join(machinePostgres!.bin, name), args, { cwd: folder, env: { PATH }, stdio: 'pipe' });
  await goOnAfter(
    postgres.url,
    async () => {
      tool('pg_dump', '-Fc', '-f', dump, postgres.url);
    },
    async () => {
      await queryDatabase(postgres.url, 'CREATE DATABASE restored');
      const url = postgres.url.replace('/gatehouse?', '/restored?');
      tool('pg_restore', '-d', url, dump);
      return url;
    },
  );
});

it('a rotation of the signing key that the backup does not know takes another one, and another fingerprint', async () => {
  const database = await createTestDatabase();
  cleanUp.push(database.drop);
  await start(database.url);
  const fleet = await Fleet.create();
  const machine = await fleet.machine('rotated');
  await stop();
  const backup = await createTestDatabase(database);
  cleanUp.push(backup.drop);
  await start(database.url);
  await root.expect('POST', fleet.org.path('signing-key/rotate'), {});
  await machine.once([], true);
  await stop();

  await start(backup.url);
  const before = machine.ran.length;
  expect((await machine.run([]).ended).code).toBe(65);
  const { trustFingerprint } = await root.expect<{ trustFingerprint: string }>(
    'POST',
    fleet.org.path('signing-key/rotate'),
    {},
  );
  expect((await machine.run([]).ended).code).toBe(65);
  expect(machine.ran).toHaveLength(before);
  await machine.once(['--trust-fingerprint', trustFingerprint], true);
});
