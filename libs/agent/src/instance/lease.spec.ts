import { describe, expect, it } from 'vitest';
import { Authority, signingKey } from '../../../../test/support/instance-authority.js';
import { type Asked, acceptLease } from './lease.js';
import { acceptRevocation, type Known, readNotice } from './revocation.js';
import { pinned, TrustChain } from './trust.js';

const authority = new Authority();
const lead = () => Promise.resolve(authority.trust());
const trust = () => TrustChain.from(pinned(authority.fingerprint), []);
const version = 2 ** 32 + 1;
const asked: Asked = { nonce: 'n1', org: authority.org, device: authority.device, version };
const verdict = async (change: object, key = authority.current) =>
  acceptLease(await authority.lease({ nonce: 'n1', digest: 'd1', ...change }, key), trust(), lead, asked).then(
    ({ ver, digest }) => (digest === 'd1' ? ver : `${ver} ${digest}`),
    (error: { code: number; message: string }) => `${error.code} ${error.message}`,
  );

describe('a lease', () => {
  it('is the answer to the nonce, for the bundle that is held', async () => {
    expect(await verdict({})).toBe(version);
  });

  it('says that there is a newer bundle', async () => {
    expect(await verdict({ ver: version + 1, digest: '' })).toBe(`${version + 1} `);
    // Signed anew, after a rotation of the signing key.
    expect(await verdict({ digest: 'd2' })).toBe(`${version} d2`);
  });

  it.each([
    [{ nonce: 'n0' }, /^65 .*replay/],
    [{ iss: 'other' }, /^65 .*another organization/],
    [{ sub: 'other' }, /^65 .*another site/],
    [{ digest: 7 }, /^65 .*\(digest\)/],
    [{ ver: version - 1 }, /^65 .*older/],
    [{ jti: '' }, /^65 .*\(jti\)/],
    [{ exp: 5, iat: 6 }, /^65 .*\(iat, exp\)/],
  ])('with %j is refused', async (change, message) => {
    expect(await verdict(change)).toMatch(message);
  });

  it('of a stranger is refused', async () => {
    expect(await verdict({}, signingKey())).toMatch(/^65 .*no succession/);
  });
});

describe('a revocation', () => {
  const known = ({ org, device }: Authority = authority): Known => ({
    org,
    device,
    leased: undefined,
    formerEnd: undefined,
  });

  it('is the word of the trusted key about this site, or of one that it brings the successions to', async () => {
    const moving = new Authority();
    const chain = TrustChain.from(pinned(moving.fingerprint), []);
    await chain.verify(await moving.lease({}), 'lease', () => Promise.resolve(moving.trust()));
    await moving.rotate();
    await moving.rotate();
    const notice = { revocation: await moving.revocation({ reason: 'deleted' }), successions: moving.successions };
    await expect(acceptRevocation(notice, chain, known(moving))).resolves.toMatchObject({
      reason: 'deleted',
    });
  });

  it('about another site, or of a stranger, is none', async () => {
    const chain = trust();
    await chain.verify(await authority.lease({}), 'lease', lead);
    const judge = async (revocation: Promise<string>) =>
      acceptRevocation({ revocation: await revocation, successions: [] }, chain, known());
    await expect(judge(authority.revocation({ sub: 'other' }))).rejects.toThrow('of another site');
    await expect(judge(authority.revocation({ iss: 'other' }))).rejects.toThrow('of another organization');
    await expect(judge(authority.revocation({}, signingKey()))).rejects.toThrow('no succession');
    await expect(judge(authority.lease({}))).rejects.toThrow('gatehouse-lease+jws');
    await expect(judge(authority.revocation())).resolves.toMatchObject({ reason: 'revoked' });
  });

  it('about a former life of the site is none: it is older than the lease, or the one that was acted on before', async () => {
    const chain = trust();
    await chain.verify(await authority.lease({}), 'lease', lead);
    const at = 1_800_000_000;
    const judge = async (iat: number, change: Partial<Known>) =>
      acceptRevocation({ revocation: await authority.revocation({ iat }), successions: [] }, chain, {
        ...known(),
        ...change,
      });
    await expect(judge(at - 301, { leased: at })).rejects.toThrow('a former life');
    await expect(judge(at - 300, { leased: at })).resolves.toMatchObject({ iat: at - 300 });
    await expect(judge(at, { formerEnd: at })).rejects.toThrow('a former life');
    await expect(judge(at - 1, { formerEnd: at })).resolves.toMatchObject({ iat: at - 1 });
  });

  it('is looked for where it may be, and only as text', () => {
    expect(readNotice({ revocation: 'a', successions: ['b', 7] })).toEqual({ revocation: 'a', successions: ['b'] });
    for (const none of [null, 'x', {}, { revocation: 7 }]) expect(readNotice(none)).toBeUndefined();
  });
});
