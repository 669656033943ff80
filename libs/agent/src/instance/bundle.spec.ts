import { beforeEach, describe, expect, it } from 'vitest';
import { Authority, sealed, signed, signingKey } from '../../../../test/support/instance-authority.js';
import { JOSE_TYPE } from '../../../contracts/index.js';
import { acceptBundle, acceptStored, type Expected, sameContents } from './bundle.js';
import { type BundleKeyPair, bundleKeyPair, publicHalf } from './bundle-key.js';
import { pinned, TrustChain } from './trust.js';

let authority: Authority;
let key: BundleKeyPair;
let trust: TrustChain;
let expected: Expected;
beforeEach(() => {
  authority = new Authority();
  key = bundleKeyPair({});
  trust = TrustChain.from(pinned(authority.fingerprint), []);
  expected = { key, org: undefined, device: undefined, version: 0 };
});

const lead = () => Promise.resolve(authority.trust());
const accept = (token: string, change: Partial<Expected> = {}) =>
  acceptBundle(token, trust, lead, { ...expected, ...change });
const refusal = async (token: string, change: Partial<Expected> = {}) =>
  accept(token, change).then(
    () => 'accepted',
    (error: { code: number; message: string }) => `${error.code} ${error.message}`,
  );
const payload = () => authority.payload(publicHalf(key));
const seal = (text: string) => sealed(text, publicHalf(key));

describe('a bundle', () => {
  it('that the pinned key signed and this machine can open is accepted', async () => {
    const token = await authority.bundle(publicHalf(key), { config: { region: 'eu' } });
    const { payload: read, digest } = await accept(token, { org: authority.org, device: authority.device });
    expect(read).toEqual({ ...payload(), config: { region: 'eu' } });
    expect(digest).toMatch(/^[\w-]{43}$/);
  });

  it('is read with the algorithm name of RFC 9864 too', async () => {
    expect(await refusal(await seal(await authority.statement(payload(), { alg: 'Ed25519' })))).toBe('accepted');
  });

  it('without a seal is refused', async () => {
    expect(await refusal(await authority.statement(payload()))).toMatch(/^65 .*not sealed/);
  });

  it('sealed for another key is refused', async () => {
    const other = publicHalf(bundleKeyPair({}));
    expect(await refusal(await sealed(await authority.statement(payload()), other))).toMatch(/^65 .*another key/);
  });

  it('bound to another key is refused, though it opens', async () => {
    const other = authority.payload(publicHalf(bundleKeyPair({})));
    expect(await refusal(await seal(await authority.statement(other)))).toMatch(/^65 .*\(cnf\)/);
    const { cnf: _cnf, ...unbound } = payload();
    expect(await refusal(await seal(await authority.statement(unbound)))).toMatch(/^65 .*\(cnf\)/);
  });

  it.each([
    ['zip', 'DEF'],
    ['typ', 'JOSE'],
    ['jku', 'https://x'],
  ])('sealed with the parameter %s is refused', async (name, value) => {
    const token = await sealed(await authority.statement(payload()), publicHalf(key));
    const [head = '', ...rest] = token.split('.');
    const header = { ...(JSON.parse(Buffer.from(head, 'base64url').toString()) as object), [name]: value };
    const changed = [Buffer.from(JSON.stringify(header)).toString('base64url'), ...rest].join('.');
    expect(await refusal(changed)).toMatch(new RegExp(`^65 .*"${name}"`));
  });

  it.each(['x5u', 'jwk', 'jku', 'b64', 'cty'])('signed with the parameter %s is refused', async (name) => {
    expect(await refusal(await seal(await authority.statement(payload(), { [name]: 'x' })))).toMatch(
      new RegExp(`^65 .*"${name}"`),
    );
  });

  it('with critical parameters is refused', async () => {
    const statement = await authority.statement(payload());
    const [head = '', ...rest] = statement.split('.');
    const header = { ...(JSON.parse(Buffer.from(head, 'base64url').toString()) as object), crit: ['b64'], b64: false };
    const changed = [Buffer.from(JSON.stringify(header)).toString('base64url'), ...rest].join('.');
    expect(await refusal(await seal(changed))).toMatch(/^65 .*"crit"/);
  });

  it.each([
    [{ alg: 'dir' }, /"dir"/],
    [{ alg: 'ECDH-ES+A256KW' }, /ECDH-ES\+A256KW/],
    [{ enc: 'A128GCM' }, /A128GCM/],
    [{ cty: 'JWT' }, /"JWT"/],
  ])('sealed otherwise, with %j, is refused', async (change, message) => {
    const token = await seal(await authority.statement(payload()));
    const [head = '', ...rest] = token.split('.');
    const header = { ...(JSON.parse(Buffer.from(head, 'base64url').toString()) as object), ...change };
    const changed = [Buffer.from(JSON.stringify(header)).toString('base64url'), ...rest].join('.');
    expect(await refusal(changed)).toMatch(message);
  });

  it('signed with another algorithm is refused before a key is looked for', async () => {
    const statement = await authority.statement(payload());
    const [, ...rest] = statement.split('.');
    for (const alg of ['none', 'HS256', 'ES256']) {
      const header = { alg, typ: JOSE_TYPE.bundle, kid: authority.current.kid };
      const changed = [Buffer.from(JSON.stringify(header)).toString('base64url'), ...rest].join('.');
      expect(await refusal(await seal(changed))).toMatch(new RegExp(`^65 .*"${alg}"`));
    }
  });

  it('that is another kind of statement is refused', async () => {
    const token = await seal(await signed(authority.current, JOSE_TYPE.lease, payload()));
    expect(await refusal(token)).toMatch(/^65 .*gatehouse-lease\+jws/);
  });

  it('of which a byte was changed is refused', async () => {
    const statement = await authority.statement(payload());
    const [head, body = '', signature] = statement.split('.');
    const other = Buffer.from(Buffer.from(body, 'base64url').toString().replace('"ver":4', '"ver":5'));
    expect(await refusal(await seal([head, other.toString('base64url'), signature].join('.')))).toMatch(
      /^65 the signature of the bundle is wrong/,
    );
    const token = await seal(statement);
    const at = token.length - 30;
    const flipped = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
    expect(await refusal(flipped)).toMatch(/^65 .*was changed/);
  });

  it('signed by a key that nobody trusts is refused', async () => {
    const stranger = signingKey();
    expect(await refusal(await seal(await authority.statement(payload(), {}, stranger)))).toMatch(
      /^65 .*no succession leads/,
    );
    const claims = await authority.statement(payload(), { kid: authority.current.kid }, stranger);
    expect(await refusal(await seal(claims))).toMatch(/^65 the signature/);
  });

  it('of another organization or site, or for another audience, is refused', async () => {
    const token = await authority.bundle(publicHalf(key));
    expect(await refusal(token, { org: 'other' })).toMatch(/^65 .*another organization/);
    expect(await refusal(token, { device: 'other' })).toMatch(/^65 .*another site/);
    expect(await refusal(await authority.bundle(publicHalf(key), { aud: 'other' }))).toMatch(/^65 .*audience/);
  });

  it('older than one that was applied is refused, the same one is not', async () => {
    const token = await authority.bundle(publicHalf(key), { ver: 7 });
    expect(await refusal(token, { version: 8 })).toMatch(/^65 .*version 7, older than 8/);
    expect(await refusal(token, { version: 7 })).toBe('accepted');
    expect(await refusal(await authority.bundle(publicHalf(key), { ver: 1.5 }))).toMatch(/^65 .*no version/);
  });

  it('that a save would have refused is refused, and can be acknowledged', async () => {
    const token = await authority.bundle(publicHalf(key), {
      files: [{ path: '/etc/passwd', mode: '0400', content: ['x'] }],
      env: { LD_PRELOAD: ['x'] },
    });
    expect(await refusal(token)).toMatch(/^65 the bundle is none that this agent writes: .*\(and 1 more\)/);
    await expect(accept(token)).rejects.toMatchObject({ version: 2 ** 32 + 1, digest: expect.any(String) });
  });

  it('that announces another next signing key than before is refused', async () => {
    const token = await authority.bundle(publicHalf(key), { keys: [signingKey().kid] });
    expect(await refusal(token)).toMatch(/^65 .*announces another next signing key/);
    expect(await refusal(await authority.bundle(publicHalf(key), { keys: 'no' as never }))).toMatch(/^65 .*\(keys\)/);
  });

  it.each(['', '.', 'a.b.c', '....', `${'A'.repeat(4000)}`, '{"alg":"dir"}'])(
    'that is %j is refused',
    async (token) => {
      expect(await refusal(token)).toMatch(/^65 /);
    },
  );
});

describe('the stored bundle', () => {
  it('is the one that was fetched, also after the signing keys went on', async () => {
    const token = await authority.bundle(publicHalf(key));
    const { digest } = await accept(token);
    await authority.rotate();
    await accept(await authority.bundle(publicHalf(key), { ver: 2 ** 32 + 2 }));
    expect(await acceptStored(token, trust, digest, expected)).toMatchObject({ digest });
    await expect(accept(token)).rejects.toThrow('signed by a key that another has followed');
    await expect(acceptStored(await authority.bundle(publicHalf(key)), trust, digest, expected)).rejects.toThrow(
      'not the one that was fetched',
    );
  });
});

it('bundles are the same that differ in version and random bits only', () => {
  const one = payload();
  expect(sameContents(one, { ...one, ver: 9, rnd: 'B', keys: ['x'] })).toBe(true);
  expect(sameContents(one, { ...one, env: { A: ['1'] } })).toBe(false);
});
