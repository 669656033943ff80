import { describe, expect, it } from 'vitest';
import { Bag } from './bag.js';

const item = (name: string) => ({ name, place: -1 });
const names = (bag: Bag<{ name: string; place: number }>) =>
  bag
    .values()
    .map(({ name }) => name)
    .sort();

describe('a bag', () => {
  it('has what was added and not taken out, wherever that was', () => {
    const bag = new Bag<ReturnType<typeof item>>();
    const [a, b, c] = [item('a'), item('b'), item('c')];
    for (const one of [a, b, c]) bag.add(one);
    expect(bag.delete(a)).toBe(true);
    expect(names(bag)).toEqual(['b', 'c']);
    expect([a, b, c].map((one) => bag.has(one))).toEqual([false, true, true]);
    expect(bag.delete(c)).toBe(true);
    expect(bag.delete(b)).toBe(true);
    expect(bag.size).toBe(0);
    bag.add(a);
    expect(names(bag)).toEqual(['a']);
  });

  it('takes nothing out that it does not have', () => {
    const [bag, other] = [new Bag<ReturnType<typeof item>>(), new Bag<ReturnType<typeof item>>()];
    const [a, b] = [item('a'), item('b')];
    bag.add(a);
    other.add(b);
    expect(bag.delete(b)).toBe(false);
    expect(bag.delete(item('c'))).toBe(false);
    expect([names(bag), names(other)]).toEqual([['a'], ['b']]);
    expect(bag.delete(a)).toBe(true);
    expect(bag.delete(a)).toBe(false);
  });

  it('is gone through as it was, whatever is taken out meanwhile', () => {
    const bag = new Bag<ReturnType<typeof item>>();
    for (const name of ['a', 'b', 'c']) bag.add(item(name));
    const seen = [];
    for (const one of bag.values()) {
      bag.delete(one);
      seen.push(one.name);
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(bag.size).toBe(0);
  });
});
