import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Api, newHardwareId, newNonce, provision, register, type TestKey, TestOrg } from '../support/api.js';
import { queryDatabase } from '../support/database.js';
import { freePort, startServer, type TestServer, until } from '../support/server.js';

const MEGABYTES = 64;
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-disk-'));
/** Only root may mount, and not in every container. */
const mounted = mount();

function mount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${MEGABYTES}m`, 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

afterAll(() => {
  if (mounted) execFileSync('umount', ['-l', folder]);
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!mounted)('the disk of the database is full', () => {
  const name = basename(folder).replace(/\W/g, '_').toLowerCase();
  const postgres = new URL(inject('templateUrl'));
  postgres.pathname = '/postgres';
  const administer = (statement: string) => queryDatabase(postgres.href, statement);
  const full = join(folder, 'full');
  let server: TestServer;
  let metricsPort: number;
  let org: TestOrg;
  let key: TestKey;

  beforeAll(async () => {
    // A database of its own on the small disk; the log of the cluster stays elsewhere.
    const [{ dir }] = (await queryDatabase<{ dir: string }>(
      postgres.href,
      `SELECT current_setting('data_directory') AS dir`,
    )) as [{ dir: string }];
    const { uid, gid } = statSync(dir);
    chownSync(folder, uid, gid);
    await administer(`CREATE TABLESPACE ${name} LOCATION '${folder}'`);
    await administer(`CREATE DATABASE ${name} TEMPLATE gatehouse TABLESPACE ${name}`);
    const url = new URL(postgres);
    url.pathname = `/${name}`;
    metricsPort = await freePort();
    server = await startServer({ databaseUrl: url.href, env: { METRICS_PORT: String(metricsPort) } });
    org = await TestOrg.create(Api.root(server));
    key = await org.key();
  });
  afterAll(async () => {
    rmSync(full, { force: true });
    await server?.stop();
    await administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await administer(`DROP TABLESPACE IF EXISTS ${name}`);
  });

  const metric = async () =>
    Number(
      /^gatehouse_database_disk_full (\S+)$/m.exec(
        await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
      )?.[1],
    );
  const claim = () =>
    provision(server.url, {
      provision_key: key.siteProvisioningKey,
      hardware_id: newHardwareId(),
      claim_nonce: newNonce(),
    });
  const told = () => server.logs.filter((line) => line.includes('disk of the database is full'));

  it('is 503 with Retry-After where something is to be written, told once, and over by itself', async () => {
    expect((await claim()).status).toBe(201);
    fill();
    let made = 1;
    // What is free within the tables is used up first.
    await until(async () => {
      const replies = await Promise.all(Array.from({ length: 40 }, claim));
      made += replies.filter((reply) => reply.status === 201).length;
      for (const reply of replies.filter((r) => r.status !== 201)) {
        expect([reply.status, reply.body.error, reply.headers.get('retry-after')]).toEqual([
          503,
          'database_full',
          '30',
        ]);
      }
      return replies.every((reply) => reply.status === 503);
    });
    const newt = await register(server.url, { provisioningKey: key.siteProvisioningKey });
    expect([newt.status, newt.body.code, newt.headers.get('retry-after')]).toEqual([503, 'database_full', '30']);
    const ready = await fetch(`${server.url}/readyz`);
    expect([ready.status, ((await ready.json()) as { code: string }).code]).toEqual([503, 'database_full']);
    expect(await metric()).toBe(1);
    expect((await org.root.get(org.path('sites'))).status).toBe(200);
    expect(told()).toHaveLength(1);
    expect(server.logs.filter((line) => line.includes('"level":50'))).toEqual(told());

    rmSync(full);
    await until(async () => (await fetch(`${server.url}/readyz`)).status === 200);
    expect(await metric()).toBe(0);
    expect((await claim()).status).toBe(201);
    made++;
    expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(made);
    expect((await org.sites()).pagination.total).toBe(made);
    expect(told()).toHaveLength(1);
  });

  function fill(): void {
    for (const bytes of [1 << 20, 1 << 12]) {
      try {
        for (;;) writeFileSync(full, Buffer.alloc(bytes), { flag: 'a' });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  }
});
