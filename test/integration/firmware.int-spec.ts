import 'reflect-metadata';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BundlePayload, LeasePayload, SigningJwk, Trust } from '#contracts';
import { newNonce } from '../support/api.js';
import { BundleOrg, type BundleSite, type KeyPair } from '../support/bundles.js';
import { secretValue } from '../support/secret-values.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

interface Opener {
  unseal(jwe: string, privateJwk: object): string;
  verified(jws: string, typ: string, trusted: SigningJwk): BundlePayload & LeasePayload;
  thumbprint(jwk: object): string;
  digest(jws: string): string;
}

const page = readFileSync(fileURLToPath(new URL('../../docs/firmware.md', import.meta.url)), 'utf8');
/** The code of the page in a language, first block. */
const codeOf = (language: string) => new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(page)![1]!;

const VALUE = secretValue('with ü and €');
let app: TestApp;
let org: BundleOrg;
let folder: string;
let code: Opener;
beforeAll(async () => {
  app = await openTestApp();
  org = await BundleOrg.create(app);
  await org.secret('TOKEN', VALUE);
  await org.revision({
    files: [{ path: 'token', content: '{{secret.TOKEN}}' }],
    config: { n: 1.5, list: [true, null] },
  });
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-firmware-'));
  const file = join(folder, 'open.mjs');
  writeFileSync(file, codeOf('js'));
  code = (await import(pathToFileURL(file).href)) as Opener;
});
afterAll(async () => {
  await app?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function fetched(kind: 'X25519' | 'P-256') {
  const site: BundleSite = await org.site();
  const key: KeyPair = await org.bundleKey(site, kind);
  const device = app.root.as(site.apiKey);
  const { status, text, headers } = await device.get('/device/bundle');
  expect(status, text).toBe(200);
  const { keys } = await device.expect<Trust>('GET', '/device/trust');
  return { site, key, device, jwe: text, etag: headers.get('etag')!.slice(1, -1), trusted: keys.at(-1)! };
}

describe.each(['X25519', 'P-256'] as const)('a bundle sealed for a key on %s', (kind) => {
  it('is opened by code that has nothing but node:crypto', async () => {
    const { site, key, jwe, etag, trusted } = await fetched(kind);
    expect(codeOf('js')).not.toContain('jose');
    const jws = code.unseal(jwe, key.privateJwk);
    const payload = code.verified(jws, 'gatehouse-bundle+jws', trusted);
    expect(payload).toMatchObject({ aud: site.deviceId, cnf: { jkt: code.thumbprint(key.privateJwk) } });
    expect(payload.files[0]!.content).toEqual([VALUE]);
    expect(payload.config).toEqual({ n: 1.5, list: [true, null] });
    expect(code.digest(jws)).toBe(etag);
    expect(code.thumbprint(trusted)).toBe(trusted.kid);
  });

  it('is refused by it once a bit is another, or the key is', async () => {
    const { key, jwe, trusted } = await fetched(kind);
    const other = await fetched(kind);
    expect(() => code.unseal(jwe, other.key.privateJwk)).toThrow();
    const [head, none, iv, sealed, tag] = jwe.split('.') as [string, string, string, string, string];
    const flipped = sealed.startsWith('A') ? `B${sealed.slice(1)}` : `A${sealed.slice(1)}`;
    expect(() => code.unseal([head, none, iv, flipped, tag].join('.'), key.privateJwk)).toThrow();
    const jws = code.unseal(jwe, key.privateJwk);
    expect(() => code.verified(jws, 'gatehouse-lease+jws', trusted)).toThrow('bad typ');
    const stranger = (await (await BundleOrg.create(app)).site()) as BundleSite;
    const { keys } = await app.root.as(stranger.apiKey).expect<Trust>('GET', '/device/trust');
    expect(() => code.verified(jws, 'gatehouse-bundle+jws', keys[0]!)).toThrow('bad kid');
    expect(() => code.verified(jws, 'gatehouse-bundle+jws', { ...keys[0]!, x: trusted.x })).not.toThrow();
    const changed = jws.replace(/\.([^.]+)\./, (_, body: string) => `.${body.slice(0, -2)}AA.`);
    expect(() => code.verified(changed, 'gatehouse-bundle+jws', trusted)).toThrow('bad signature');
  });

  it('is opened by the Python of the page, where that can run', async (context) => {
    if (spawnSync('python3', ['-c', 'import cryptography']).status !== 0) return context.skip();
    const { site, key, jwe, trusted } = await fetched(kind);
    const file = join(folder, `open-${kind}.py`);
    const main = [
      'import sys',
      'given = json.load(sys.stdin)',
      'payload = verified(unseal(given["jwe"], given["key"]), "gatehouse-bundle+jws", given["trusted"])',
      'json.dump([payload, thumbprint(given["key"])], sys.stdout)',
    ];
    writeFileSync(file, `${codeOf('python')}\n${main.join('\n')}\n`);
    const input = JSON.stringify({ jwe, key: key.privateJwk, trusted });
    const { stdout, stderr } = spawnSync('python3', [file], { input, encoding: 'utf8' });
    expect(stderr).toBe('');
    const [payload, jkt] = JSON.parse(stdout) as [BundlePayload, string];
    expect(payload).toMatchObject({ aud: site.deviceId, cnf: { jkt }, files: [{ content: [VALUE] }] });
  });
});

it('a lease is verified by the same code', async () => {
  const { site, device, trusted } = await fetched('X25519');
  const nonce = newNonce();
  const { lease } = await device.expect<{ lease: string }>('POST', '/device/lease', { nonce, prev: null, ver: 0 });
  expect(code.verified(lease, 'gatehouse-lease+jws', trusted)).toMatchObject({ sub: site.deviceId, nonce });
});
