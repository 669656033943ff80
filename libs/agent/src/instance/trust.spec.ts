import { beforeEach, describe, expect, it } from 'vitest';
import { Authority, signingKey } from '../../../../test/support/instance-authority.js';
import { OvertakenStatement } from './statements.js';
import { pinned, TrustChain, type TrustPath } from './trust.js';

let authority: Authority;
beforeEach(() => {
  authority = new Authority();
});
const lead = () => Promise.resolve(authority.trust());
const lease = (key = authority.current) => authority.lease({}, key);
const verdict = (chain: TrustChain, token: string, path: () => Promise<TrustPath> = lead) =>
  chain.verify(token, 'lease', path).then(
    () => 'trusted',
    (error: Error) => error.message,
  );

describe('what an operator pins', () => {
  it('is a thumbprint, or two', () => {
    const { kid } = authority.current;
    expect(pinned(` ${kid}\n`)).toEqual({ kid });
    expect(pinned(authority.fingerprint)).toEqual({ kid, next: authority.next.kid });
    for (const bad of ['', 'x', `${kid}.`, `${kid}.${kid}.${kid}`, `${kid}.x`])
      expect(() => pinned(bad)).toThrow(expect.objectContaining({ code: 78 }));
  });

  it('is where the way begins: an image that was pinned three keys ago starts', async () => {
    const image = pinned(authority.fingerprint);
    for (let i = 0; i < 3; i++) await authority.rotate();
    const chain = TrustChain.from(image, []);
    expect(await verdict(chain, await lease())).toBe('trusted');
    expect(chain.keys.map(({ kid }) => kid)).toEqual(authority.keys.slice(0, 4).map(({ kid }) => kid));
    expect(chain.keys.at(-1)?.next).toBe(authority.next.kid);
  });

  it('outweighs what is stored where that is another chain, and is joined where it is not', async () => {
    const chain = TrustChain.from(pinned(authority.fingerprint), []);
    await authority.rotate();
    await verdict(chain, await lease());
    const stored = structuredClone(chain.keys) as never;
    const again = TrustChain.from(pinned(authority.keys[0]?.kid ?? ''), stored);
    expect(await verdict(again, await lease(), () => Promise.reject(new Error('not asked')))).toBe('trusted');
    const other = new Authority();
    expect(TrustChain.from(pinned(other.fingerprint), stored).keys).toEqual([pinned(other.fingerprint)]);
  });
});

it('what was signed on the eve of a rotation is told from what nobody leads to', async () => {
  const chain = TrustChain.from(pinned(authority.fingerprint), []);
  const eve = await lease();
  await authority.rotate();
  await expect(chain.verify(eve, 'lease', lead)).rejects.toBeInstanceOf(OvertakenStatement);
  await expect(chain.verify(await lease(signingKey()), 'lease', lead)).rejects.not.toBeInstanceOf(OvertakenStatement);
  expect(await verdict(chain, await lease())).toBe('trusted');
});

describe('a succession', () => {
  it('by a stolen key to one that was not announced is refused, from the pin, from a bundle and from a succession', async () => {
    const thief = signingKey();
    const stolen = async (by = authority.current) => ({
      keys: authority.trust().keys,
      successions: [...authority.successions, await authority.succession(by, thief, signingKey().kid)],
    });
    const token = () => authority.lease({}, thief);
    const fromPin = TrustChain.from(pinned(authority.fingerprint), []);
    const path = await stolen();
    expect(await verdict(fromPin, await token(), () => Promise.resolve(path))).toMatch(/was announced/);

    const fromBundle = TrustChain.from(pinned(authority.current.kid), []);
    expect(await verdict(fromBundle, await lease())).toBe('trusted');
    fromBundle.announced([authority.next.kid]);
    expect(await verdict(fromBundle, await token(), () => Promise.resolve(path))).toMatch(/was announced/);

    await authority.rotate();
    const fromSuccession = TrustChain.from(pinned(authority.keys[0]?.kid ?? ''), []);
    const second = await stolen();
    expect(await verdict(fromSuccession, await token(), () => Promise.resolve(second))).toMatch(/was announced/);
  });

  it('by another key than the trusted one leads nowhere', async () => {
    const chain = TrustChain.from(pinned(authority.fingerprint), []);
    const [thief, after] = [signingKey(), signingKey()];
    const forged = await authority.succession(thief, thief, after.kid);
    const path = { keys: authority.trust().keys, successions: [forged] };
    expect(await verdict(chain, await authority.lease({}, thief), () => Promise.resolve(path))).toMatch(
      /no succession/,
    );
  });

  it('does not lead in a circle', async () => {
    const [first, second] = authority.keys as [ReturnType<typeof signingKey>, ReturnType<typeof signingKey>];
    const chain = TrustChain.from(pinned(authority.fingerprint), []);
    const successions = [
      await authority.succession(first, second, first.kid),
      await authority.succession(second, first, second.kid),
    ];
    const path = { keys: authority.trust().keys, successions };
    expect(await verdict(chain, await authority.lease({}, signingKey()), () => Promise.resolve(path))).toMatch(
      /circle/,
    );
  });
});

describe('a key', () => {
  it('that another has followed signs nothing new', async () => {
    const chain = TrustChain.from(pinned(authority.fingerprint), []);
    const old = authority.current;
    await authority.rotate();
    await verdict(chain, await lease());
    expect(await verdict(chain, await lease(old))).toMatch(/another has followed/);
    await expect(chain.verifyStored(await lease(old), 'lease')).resolves.toBeDefined();
  });

  it('is believed by its thumbprint, whatever the server calls it', async () => {
    const chain = TrustChain.from(pinned(authority.fingerprint), []);
    const thief = signingKey();
    const path = { keys: [{ ...thief.jwk, kid: authority.current.kid, seq: 1 }], successions: [] };
    const token = await authority.lease({}, { ...thief, kid: authority.current.kid });
    expect(await verdict(chain, token, () => Promise.resolve(path))).toMatch(/no succession/);
  });

  it('is asked for once: what is known is verified without the server', async () => {
    const chain = TrustChain.from(pinned(authority.fingerprint), []);
    let asked = 0;
    const counting = () => (asked++, lead());
    for (let i = 0; i < 3; i++) expect(await verdict(chain, await lease(), counting)).toBe('trusted');
    expect(asked).toBe(1);
  });
});
