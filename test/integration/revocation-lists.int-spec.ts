import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RevocationsRepository } from '../../src/provisioning/authority/revocations.repository.js';
import { type StartedApp, startApp } from '../support/app.js';
import { certificatesOf, type IssuedDevice } from '../support/issued-certificates.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let other: StartedApp;
let { newOrg, enrol, crlOf } = {} as ReturnType<typeof certificatesOf>;
beforeAll(async () => {
  app = await openTestApp({ PUBLIC_URL: 'https://gate.example' });
  other = await startApp(app.database.url);
  ({ newOrg, enrol, crlOf } = certificatesOf(app));
});
afterAll(async () => {
  await other?.close();
  await app?.close();
});
x509.cryptoProvider.set(webcrypto as never);

/** As if nobody had looked for a minute what is revoked. */
const minutePassed = (caId: string) =>
  app.sql(`UPDATE revocation_list SET looked_at = looked_at - interval '1 minute' WHERE ca_id = $1`, [caId]);
/** The list, once it says what is expected of it. */
async function listWith(caId: string, serials: string[], url = app.root.url): Promise<x509.X509Crl> {
  return until(async () => {
    await minutePassed(caId);
    const answer = await crlOf(caId, url);
    // A server looks once a second, and says until then what it found last.
    if (answer.status !== 200) return false;
    const crl = new x509.X509Crl(await answer.arrayBuffer());
    const found = crl.entries.map((entry) => entry.serialNumber.toLowerCase()).sort();
    return JSON.stringify(found) === JSON.stringify([...serials].sort()) && crl;
  });
}
const serialOf = (device: IssuedDevice) => device.certificate.serialNumber.toLowerCase();

function openssl(...args: string[]): string | null {
  try {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    return `${(error as { stdout?: string }).stdout ?? ''}${(error as { stderr?: string }).stderr ?? ''}`;
  }
}

function numberOf(crl: x509.X509Crl): number {
  const value = Buffer.from(crl.extensions.find(({ type }) => type === '2.5.29.20')!.value);
  return value.subarray(2).readUIntBE(0, value[1]!);
}

describe('revocation lists (docs/credentials.md §6)', () => {
  it('hold what was revoked, what was deleted and what was superseded, signed by the authority', async () => {
    const { orgId, key } = await newOrg();
    const [kept, revoked, deleted, superseded] = [
      await enrol(key),
      await enrol(key),
      await enrol(key),
      await enrol(key),
    ] as IssuedDevice[] & { length: 4 };
    const { caId } = kept!;
    const first = await listWith(caId, []);
    await app.root.expect('POST', `/site/${revoked!.siteId}/revoke`, {});
    await app.root.expect('DELETE', `/site/${deleted!.siteId}`);
    await app.sql(
      `UPDATE site_credential SET stage = 'previous', ends_at = now() - interval '1 second' WHERE site_id = $1`,
      [superseded!.siteId],
    );
    const crl = await listWith(caId, [revoked!, deleted!, superseded!].map(serialOf));
    const authority = new x509.X509Certificate(kept!.chain);
    expect(await crl.verify({ publicKey: authority })).toBe(true);
    expect(crl.issuer).toBe(authority.subject);
    expect(crl.nextUpdate!.getTime() - crl.thisUpdate.getTime()).toBe(7 * 86_400_000);
    const reason = (device: IssuedDevice) => crl.findRevoked(serialOf(device))?.reason;
    expect([revoked!, deleted!, superseded!].map(reason)).toEqual([
      undefined,
      x509.X509CrlReason.cessationOfOperation,
      x509.X509CrlReason.superseded,
    ]);
    expect(crl.findRevoked(serialOf(kept!))).toBeNull();
    expect(numberOf(crl)).toBeGreaterThan(numberOf(first));
    // The site and its rows are gone for good, and every server says the same.
    await app.sql('DELETE FROM site WHERE site_id = $1', [superseded!.siteId]);
    const there = await listWith(caId, [revoked!, deleted!, superseded!].map(serialOf), other.url);
    expect(there.findRevoked(serialOf(superseded!))?.reason).toBe(x509.X509CrlReason.superseded);
    // Another organization's list knows nothing of it.
    const stranger = await newOrg();
    await listWith((await enrol(stranger.key)).caId, []);
    expect(orgId).not.toBe(stranger.orgId);
  });

  it('are understood by openssl, which refuses a revoked certificate and no other', async () => {
    if (openssl('version') === null) return;
    const { key } = await newOrg();
    const [good, bad] = [await enrol(key), await enrol(key)];
    await app.root.expect('POST', `/site/${bad.siteId}/revoke`, {});
    await listWith(good.caId, [serialOf(bad)]);
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-crl-'));
    try {
      const file = (name: string, content: string | Buffer) => {
        writeFileSync(join(folder, name), content);
        return join(folder, name);
      };
      const der = Buffer.from(await (await crlOf(good.caId)).arrayBuffer());
      const ca = file('ca.pem', good.chain);
      const crl = file('crl.der', der);
      const pem = file(
        'crl.pem',
        `-----BEGIN X509 CRL-----\n${der
          .toString('base64')
          .match(/.{1,64}/g)!
          .join('\n')}\n-----END X509 CRL-----\n`,
      );
      const verify = (device: IssuedDevice) =>
        openssl(
          'verify',
          '-CAfile',
          ca,
          '-CRLfile',
          pem,
          '-crl_check',
          '-purpose',
          'sslclient',
          file('device.pem', device.certificate.toString()),
        );
      expect(verify(good)).toContain('OK');
      expect(verify(bad)).toContain('certificate revoked');
      expect(openssl('crl', '-inform', 'DER', '-in', crl, '-text', '-noout')).toContain(serialOf(bad).toUpperCase());
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('are not sent again to who has them, and are named in certificates by the address that the operator gave', async () => {
    const { key } = await newOrg();
    const device = await enrol(key);
    const first = await crlOf(device.caId);
    expect(first.headers.get('content-type')).toBe('application/pkix-crl');
    expect(first.headers.get('cache-control')).toContain('public');
    const etag = first.headers.get('etag')!;
    expect((await crlOf(device.caId, undefined, { 'if-none-match': etag })).status).toBe(304);
    expect((await crlOf(device.caId, undefined, { 'if-none-match': '"0"' })).status).toBe(200);
    const since = first.headers.get('last-modified')!;
    expect((await crlOf(device.caId, undefined, { 'if-modified-since': since })).status).toBe(304);
    expect((await crlOf(device.caId, undefined, { 'if-modified-since': new Date(0).toUTCString() })).status).toBe(200);
    const parsed = new x509.X509Certificate(device.certificate.raw);
    const points = parsed.getExtension(x509.CRLDistributionPointsExtension)!;
    expect(JSON.stringify(points.toTextObject())).toContain(`https://gate.example/api/v1/ca/${device.caId}/crl`);
    for (const caId of ['a'.repeat(16), 'nonsense']) expect((await crlOf(caId)).status).toBe(404);
  });

  it('of 100,000 entries is made in pages, by one of many who ask', async () => {
    const { key } = await newOrg();
    const { caId } = await enrol(key);
    // In parts, none of which comes near the time that a statement may take.
    for (let part = 0; part < 10; part++)
      await app.sql(
        `INSERT INTO revoked_certificate (ca_id, serial, reason, revoked_at, expires_at)
         SELECT $1, '40' || $2::int || encode(sha256(n::text::bytea), 'hex'), 4, now(), now() + interval '1 day' FROM generate_series(1, 10000) n`,
        [caId, part],
      );
    const answers = await until(async () => {
      await minutePassed(caId);
      const all = await Promise.all(Array.from({ length: 8 }, () => crlOf(caId)));
      const sizes = await Promise.all(all.map(async (answer) => (await answer.arrayBuffer()).byteLength));
      return Math.min(...sizes) > 5_000_000 && all;
    });
    expect(new Set(answers.map((answer) => answer.headers.get('etag'))).size).toBe(1);
    const [row] = await app.sql<{ entries: number; number: number }>(
      'SELECT entries, number FROM revocation_list WHERE ca_id = $1',
      [caId],
    );
    expect(row!.entries).toBe(100_000);
    // What has expired is no longer in it.
    for (let part = 0; part < 10; part++)
      await app.sql(`UPDATE revoked_certificate SET expires_at = now() WHERE ca_id = $1 AND serial LIKE $2`, [
        caId,
        `40${part}%`,
      ]);
    await listWith(caId, []);
  });

  it('are made once a minute at most, by one server of all, whoever asks', async () => {
    const { key } = await newOrg();
    const device = await enrol(key);
    const { caId } = device;
    const first = numberOf(await listWith(caId, []));
    await listWith(caId, [], other.url);
    await app.sql('UPDATE revocation_list SET looked_at = now() WHERE ca_id = $1', [caId]);
    const servers = [
      { url: app.root.url, repository: app.get(RevocationsRepository) },
      { url: other.url, repository: other.app.get(RevocationsRepository) },
    ].map(({ url, repository }) => ({
      url,
      asked: vi.spyOn(repository, 'standing'),
      counted: vi.spyOn(repository, 'content'),
    }));
    await app.root.expect('POST', `/site/${device.siteId}/revoke`, {});
    const number = async (url: string) => numberOf(new x509.X509Crl(await (await crlOf(caId, url)).arrayBuffer()));
    for (const { url, asked } of servers) {
      await until(async () => (await number(url)) === first && asked.mock.calls.length > 1);
      expect(await number(url)).toBe(first);
    }
    expect(servers.map(({ counted }) => counted.mock.calls.length)).toEqual([0, 0]);
    await minutePassed(caId);
    await until(async () => {
      const all = await Promise.all(servers.flatMap(({ url }) => Array.from({ length: 4 }, () => number(url))));
      return all.every((one) => one === first + 1);
    });
    expect(servers.reduce((sum, { counted }) => sum + counted.mock.calls.length, 0)).toBe(1);
    vi.restoreAllMocks();
  });

  it('are the last one while a server makes the next, and come from another when that one has died', async () => {
    const { key } = await newOrg();
    const device = await enrol(key);
    await listWith(device.caId, []);
    await app.root.expect('POST', `/site/${device.siteId}/revoke`, {});
    await minutePassed(device.caId);
    const making = app.db.dataSource.createQueryRunner();
    await making.startTransaction();
    await making.query('SELECT FROM revocation_list WHERE ca_id = $1 FOR UPDATE', [device.caId]);
    const found = vi.spyOn(other.app.get(RevocationsRepository), 'take');
    const entries = async () =>
      new x509.X509Crl(await (await crlOf(device.caId, other.url)).arrayBuffer()).entries.length;
    await until(async () => (await entries()) === 0 && found.mock.settledResults.length > 0);
    expect(found.mock.settledResults).toContainEqual({ type: 'fulfilled', value: null });
    expect(await entries()).toBe(0);
    await making.rollbackTransaction();
    await making.release();
    await until(async () => (await entries()) === 1);
    found.mockRestore();
  });

  it('are refused above 500,000 entries: one that lacks some would pass them off as good', async () => {
    const { key } = await newOrg();
    const { caId } = await enrol(key);
    await listWith(caId, []);
    for (const { url, get } of [
      { url: app.root.url, get: app.get },
      { url: other.url, get: other.app.get.bind(other.app) },
    ]) {
      const counted = vi.spyOn(get(RevocationsRepository), 'content');
      counted.mockResolvedValue({ entries: '500001', marks: '1' });
      await until(async () => {
        await minutePassed(caId);
        const answer = await crlOf(caId, url);
        return answer.status === 503 && (await answer.text()).includes('capacity');
      });
      counted.mockRestore();
      // Whoever counted, there is none for anybody.
      await app.sql('UPDATE revocation_list SET looked_at = now() WHERE ca_id = $1', [caId]);
      for (const one of [app.root.url, other.url]) await until(async () => (await crlOf(caId, one)).status === 503);
    }
    await until(async () => {
      await minutePassed(caId);
      return (await crlOf(caId)).status === 200;
    });
    await listWith(caId, [], other.url);
  });
});
