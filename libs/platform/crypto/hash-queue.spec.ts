import { beforeEach, describe, expect, it } from 'vitest';
import type { Turn } from '../runtime/fair-queue.js';
import { HashQueue } from './hash-queue.js';

let queue: HashQueue;
let running: { who: string; finish: () => void }[];
let done: string[];
let turnedAway: string[];
beforeEach(() => {
  queue = new HashQueue();
  [running, done, turnedAway] = [[], [], []];
});

const settle = () => new Promise((resolve) => setImmediate(resolve));
/** Asks for a turn; whoever asks is told in `done` or `turnedAway`. */
const ask = (who: string, turn: Turn) =>
  queue
    .run(turn, () => new Promise<void>((finish) => running.push({ who, finish })))
    .then(
      () => void done.push(who),
      (error: { code: string }) => void turnedAway.push(`${who} ${error.code}`),
    );
const askMany = (n: number, who: string, turn: Turn) => Array.from({ length: n }, (_, i) => ask(`${who}${i}`, turn));
async function finishOne(): Promise<void> {
  running.shift()!.finish();
  await settle();
}
async function finishAll(): Promise<void> {
  await settle();
  while (running.length > 0) await finishOne();
}

describe('the queue of slow hashes', () => {
  it('runs two at a time, and all in the end', async () => {
    askMany(4, 'a', { source: 'x' });
    await settle();
    expect(running.map(({ who }) => who)).toEqual(['a0', 'a1']);
    await finishOne();
    expect(running.map(({ who }) => who)).toEqual(['a1', 'a2']);
    await finishAll();
    expect(done).toEqual(['a0', 'a1', 'a2', 'a3']);
    void ask('later', { source: 'x' });
    expect(running).toHaveLength(1);
  });

  it('passes a place on after a failure', async () => {
    const failing = () => Promise.reject(new Error('broken'));
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => queue.run({ source: 'x' }, failing)));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    void ask('a', { source: 'x' });
    void ask('b', { source: 'x' });
    expect(running).toHaveLength(2);
  });

  it('lets another source take its turn before the rest of a flood, and another name of the same source', async () => {
    askMany(10, 'flood', { source: 'x', name: 'n' });
    void ask('other source', { source: 'y' });
    void ask('other name', { source: 'x', name: 'm' });
    await finishAll();
    expect(done.indexOf('other source')).toBeLessThan(5);
    expect(done.indexOf('other name')).toBeLessThan(6);
  });

  it('gives one source 20 places; the newest of its longest name goes for a shorter one', async () => {
    askMany(22, 'a', { source: 'x', name: 'n' });
    void ask('one more', { source: 'x', name: 'n' });
    await settle();
    expect(turnedAway).toEqual(['one more capacity']);
    void ask('other name', { source: 'x', name: 'm' });
    await settle();
    expect(turnedAway).toEqual(['one more capacity', 'a21 capacity']);
    await finishAll();
    expect(done).toContain('other name');
    expect(done).toHaveLength(22);
  });

  it('cannot be shut by a dozen sources: the newest of the longest goes for one that has less, and its turn comes in the next round', async () => {
    askMany(2, 'running', { source: 'x' });
    for (let s = 0; s < 12; s++) askMany(20, `s${s}-`, { source: `s${s}`, name: `unknown ${s}` });
    await settle();
    // Those that came too late displaced what others had too much of.
    expect(turnedAway).toHaveLength(40);
    void ask('honest', { source: 'home' });
    await settle();
    expect(turnedAway).toHaveLength(41);
    expect(turnedAway.some((who) => who.startsWith('honest'))).toBe(false);
    for (let i = 0; i < 14; i++) await finishOne();
    await finishAll();
    expect(done.indexOf('honest')).toBeLessThan(2 + 13);
    expect(done).toHaveLength(2 + 200);
  });

  it('turns a newcomer away when nobody has two places more than it would', async () => {
    askMany(2, 'running', { source: 'x' });
    for (let s = 0; s < 200; s++) void ask(`s${s}`, { source: `s${s}` });
    void ask('late', { source: 'home' });
    await settle();
    expect(turnedAway).toEqual(['late capacity']);
    await finishAll();
    expect(done).toHaveLength(202);
  });

  it('lets patient work wait outside the bounds, in its turn', async () => {
    askMany(300, 'site', { source: 'sites', patient: true });
    askMany(20, 'a', { source: 'x' });
    await settle();
    expect(turnedAway).toEqual([]);
    await finishAll();
    expect(done).toHaveLength(320);
    // Two of each, about.
    expect(done.filter((who) => who.startsWith('a')).every((who) => done.indexOf(who) < 60)).toBe(true);
  });
});
