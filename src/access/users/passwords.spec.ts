import { beforeEach, describe, expect, it, vi } from 'vitest';

const pending: { password: string; finish: (same: boolean) => void }[] = [];
vi.mock('bcrypt', () => ({
  default: {
    compare: (password: string) => new Promise<boolean>((finish) => pending.push({ password, finish })),
    hash: async (password: string, cost: number) => `${cost}:${password}`,
  },
}));
const { Passwords } = await import('./passwords.js');

let passwords: InstanceType<typeof Passwords>;
beforeEach(() => {
  passwords = new Passwords();
  pending.length = 0;
});
const settle = () => new Promise((resolve) => setImmediate(resolve));
const finishOne = async (same = true) => {
  pending.shift()!.finish(same);
  await settle();
};

describe('passwords', () => {
  it('hashes at cost 12 and refuses what bcrypt would cut', async () => {
    expect(await passwords.hash('a'.repeat(72))).toBe(`12:${'a'.repeat(72)}`);
    await expect(passwords.hash('a'.repeat(73))).rejects.toMatchObject({ code: 'validation' });
    await expect(passwords.hash('ä'.repeat(37))).rejects.toMatchObject({ code: 'validation' });
    await expect(passwords.hash('short')).rejects.toMatchObject({ code: 'validation' });
  });

  it('compares for an unknown user too, and never says yes', async () => {
    const answer = passwords.matches('guess', null, 'x');
    expect(pending).toHaveLength(1);
    await finishOne(true);
    expect(await answer).toBe(false);
  });

  it('compares two at a time', async () => {
    const all = Array.from({ length: 4 }, (_, i) => passwords.matches(String(i), 'h', 'x'));
    expect(pending.map((p) => p.password)).toEqual(['0', '1']);
    await finishOne();
    expect(pending.map((p) => p.password)).toEqual(['1', '2']);
    while (pending.length > 0) await finishOne();
    expect(await Promise.all(all)).toEqual([true, true, true, true]);
  });

  it('lets another source take its turn before the rest of a flood', async () => {
    const flood = Array.from({ length: 10 }, () => passwords.matches('flood', 'h', 'x'));
    const other = passwords.matches('other', 'h', 'y');
    await finishOne();
    await finishOne();
    expect(pending.map((p) => p.password)).toContain('other');
    while (pending.length > 0) await finishOne();
    await Promise.all([...flood, other]);
  });

  it('bounds what waits, per source and in all', async () => {
    const waiting = Array.from({ length: 22 }, () => passwords.matches('a', 'h', 'x'));
    await expect(passwords.matches('a', 'h', 'x')).rejects.toMatchObject({ code: 'capacity' });
    const others = Array.from({ length: 180 }, (_, i) => passwords.matches('b', 'h', `source ${i}`));
    await expect(passwords.matches('c', 'h', 'fresh')).rejects.toMatchObject({ code: 'capacity' });
    while (pending.length > 0) await finishOne();
    await Promise.all([...waiting, ...others]);
    const later = passwords.matches('d', 'h', 'x');
    await finishOne();
    expect(await later).toBe(true);
  });
});
