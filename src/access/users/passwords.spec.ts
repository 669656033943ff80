import { beforeEach, describe, expect, it, vi } from 'vitest';
import { HashQueue } from '#platform';

const compared: { password: string; finish: (same: boolean) => void }[] = [];
vi.mock('bcrypt', () => ({
  default: {
    compare: (password: string) => new Promise<boolean>((finish) => compared.push({ password, finish })),
    hash: async (password: string, cost: number) => `${cost}:${password}`,
  },
}));
const { Passwords } = await import('./passwords.js');

let passwords: InstanceType<typeof Passwords>;
const turn = { source: 'x' };
beforeEach(() => {
  passwords = new Passwords(new HashQueue());
  compared.length = 0;
});

describe('passwords', () => {
  it('are hashed at cost 12, and refused when bcrypt would cut them', async () => {
    expect(await passwords.hash('a'.repeat(72), turn)).toBe(`12:${'a'.repeat(72)}`);
    await expect(passwords.hash('a'.repeat(73), turn)).rejects.toMatchObject({ code: 'validation' });
    await expect(passwords.hash('ä'.repeat(37), turn)).rejects.toMatchObject({ code: 'validation' });
    await expect(passwords.hash('short', turn, 'newPassword')).rejects.toMatchObject({
      details: { fields: [{ path: 'newPassword' }] },
    });
  });

  it('are compared for an unknown user too, in the same turn, and never match', async () => {
    const answers = ['known', null].map((hash) => passwords.matches('guess', hash, turn));
    expect(compared).toHaveLength(2);
    compared.forEach(({ finish }) => finish(true));
    expect(await Promise.all(answers)).toEqual([true, false]);
  });
});
