import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { KeyRing, type PskKeys } from '#platform';
import { PskIdentities } from './psk-identities.service.js';
import type { StoredPsk } from './psk-table.js';

/** Writes down what it is asked to do, and with how many bytes. */
class CountingKeys extends KeyRing {
  work: string[] = [];

  override encrypt(plain: Buffer, about: string): Buffer {
    this.work.push(`encrypt ${plain.length}`);
    return super.encrypt(plain, about);
  }
  override decrypt(sealed: Buffer, about: string): Buffer {
    this.work.push(`decrypt ${sealed.length}`);
    return super.decrypt(sealed, about);
  }
  override mac(...what: Parameters<KeyRing['mac']>): Buffer {
    this.work.push(`mac ${what[0]} ${what[1].length}`);
    return super.mac(...what);
  }
}

const keys = new CountingKeys(randomBytes(32));
const [KNOWN, REVOKED, UNKNOWN] = ['known.abcdefgh', 'other.abcdefgh', 'third.abcdefgh'];
const psk = randomBytes(32);
const sealed = (identity: string) => keys.encrypt(psk, `psk:${identity}`);
const rows: StoredPsk[] = [
  { siteId: 1, identity: KNOWN, sealed: sealed(KNOWN), endsIn: null },
  { siteId: 2, identity: REVOKED, sealed: sealed(REVOKED), endsIn: null },
];

let identities: PskIdentities;
let looked: string[];
let siteChanged: (siteId: string) => void;
let reconnected: () => void;
/** What an answer of the database waits for; it is of the moment when it was asked. */
let held: Promise<void> | undefined;
/** @returns what lets the answers come that are asked for from now on */
function hold(): () => void {
  let release = () => {};
  held = new Promise((resolve) => (release = resolve));
  return () => {
    held = undefined;
    release();
  };
}

/** With these rows, in the order of their sites. */
async function load(there: StoredPsk[]): Promise<PskKeys> {
  let keyOf: PskKeys = () => null;
  looked = [];
  const repository = {
    sitesAfter: async (_: unknown, after: number, limit: number) =>
      there
        .map(({ siteId }) => siteId)
        .filter((siteId) => siteId > after)
        .slice(0, limit),
    psksOf: async (_: unknown, siteIds: number[], names: string[]) => {
      looked.push(...siteIds.map(String), ...names);
      const found = there.filter(({ siteId, identity }) => siteIds.includes(siteId) || names.includes(identity));
      await held;
      return found;
    },
  };
  const notifications = {
    on: (channel: string, listener: (payload: string) => void) => {
      if (channel === 'site_changed') siteChanged = listener;
    },
    onReconnected: (listener: () => void) => (reconnected = listener),
  };
  identities = new PskIdentities(
    { http: { deviceTlsPort: 1 } } as never,
    { manager: {} } as never,
    repository as never,
    keys,
    { providePskKeys: (given: PskKeys) => (keyOf = given) } as never,
    notifications as never,
  );
  await identities.onApplicationBootstrap();
  return keyOf;
}

/** With the rows above, of which the second one is revoked a moment later. */
async function open(): Promise<PskKeys> {
  const there = [...rows];
  const keyOf = await load(there);
  there.splice(1, 1);
  siteChanged('2');
  await expect.poll(() => identities.size).toBe(1);
  return keyOf;
}
afterEach(async () => {
  vi.restoreAllMocks();
  await identities.onApplicationShutdown();
});

describe('the key that a handshake gets for an identity', () => {
  it('takes the same work whether the identity is known, revoked or unknown', async () => {
    const keyOf = await open();
    const worked = (identity: string): string[] => {
      keys.work = [];
      keyOf(identity);
      return keys.work;
    };
    // The first one of all makes what is opened for those who have no key.
    worked(UNKNOWN);
    expect(worked(KNOWN)).toEqual(['mac unknown-psk 14', `decrypt ${rows[0]!.sealed.length}`]);
    for (const identity of [REVOKED, UNKNOWN]) expect(worked(identity)).toEqual(worked(KNOWN));
  });

  it('is its own, or one that nobody has and that is the same each time', async () => {
    const keyOf = await open();
    expect(keyOf(KNOWN)).toEqual(psk);
    for (const identity of [REVOKED, UNKNOWN]) {
      const key = keyOf(identity);
      expect(key).toHaveLength(32);
      expect(key).not.toEqual(psk);
      expect(keyOf(identity)).toEqual(key);
    }
    expect(keyOf(REVOKED)).not.toEqual(keyOf(UNKNOWN));
  });

  it('is looked for afterwards where there is none', async () => {
    const keyOf = await open();
    looked = [];
    for (const identity of [KNOWN, UNKNOWN]) keyOf(identity);
    await expect.poll(() => looked).toEqual([UNKNOWN]);
  });

  it('is its own until it does nothing more, and nobody has to say so', async () => {
    const keyOf = await load([{ ...rows[0]!, endsIn: 60_000 }]);
    keyOf(UNKNOWN);
    const worked = (): { key: Buffer | null; work: string[] } => {
      keys.work = [];
      return { key: keyOf(KNOWN), work: keys.work };
    };
    const before = worked();
    const later = performance.now() + 60_000;
    vi.spyOn(performance, 'now').mockReturnValue(later);
    const after = worked();
    expect(before.key).toEqual(psk);
    expect(after.key).toHaveLength(32);
    expect(after.key).not.toEqual(psk);
    expect(after.work).toEqual(before.work);
  });

  it('is read at the start however many there are, in pages', async () => {
    const names = Array.from({ length: 5_001 }, (_, i) => `of-${i}.abcdefgh`);
    const keyOf = await load(
      names.map((identity, i) => ({ siteId: 2 * i + 1, identity, sealed: sealed(identity), endsIn: null })),
    );
    expect(identities.size).toBe(names.length);
    expect(looked).toHaveLength(names.length);
    for (const identity of [names[0]!, names.at(-2)!, names.at(-1)!]) expect(keyOf(identity)).toEqual(psk);
  });

  it('is not its own any more when its site was revoked while it was looked for', async () => {
    const there: StoredPsk[] = [];
    const keyOf = await load(there);
    there.push(rows[1]!);
    const release = hold();
    keyOf(REVOKED);
    await expect.poll(() => looked).toEqual([REVOKED]);
    there.pop();
    siteChanged('2');
    release();
    await expect.poll(() => looked).toEqual([REVOKED, '2']);
    await expect.poll(() => identities.size).toBe(0);
  });

  it.each([
    ['at the start', true],
    ['later', false],
  ])('is read again when notices were missed while all were read %s', async (_, atStart) => {
    const there = [...rows];
    if (!atStart) await load(there);
    const release = hold();
    const loaded = atStart ? load(there) : undefined;
    looked = [];
    if (!atStart) reconnected();
    await expect.poll(() => looked).toEqual(['1', '2']);
    there.pop();
    reconnected();
    release();
    await loaded;
    await expect.poll(() => looked).toEqual(['1', '2', '1']);
    await expect.poll(() => identities.size).toBe(1);
  });

  it('is none for what cannot be an identity', async () => {
    const keyOf = await open();
    for (const identity of ['admin', 'known.ABCDEFGH', 'known.abcdefghi', `${'x'.repeat(201)}.abcdefgh`, '']) {
      keys.work = [];
      expect(keyOf(identity)).toBeNull();
      expect(keys.work).toEqual([]);
    }
  });
});
