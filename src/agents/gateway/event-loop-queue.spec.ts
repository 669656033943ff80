import { describe, expect, it } from 'vitest';
import { EventLoopQueue } from './event-loop-queue.js';

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('turns', () => {
  it('begin lone work at once', async () => {
    const turns = new EventLoopQueue(32);
    for (let i = 0; i < 3; i++) {
      let begun = false;
      turns.enter(() => (begun = true));
      expect(begun).toBe(true);
      await nextTurn();
    }
  });

  it('begin a crowd in order of arrival, a few per turn, with room for others in between', async () => {
    const turns = new EventLoopQueue(32);
    const begun: number[] = [];
    for (let i = 0; i < 100; i++) turns.enter(() => begun.push(i));
    const perTurn: number[] = [begun.length];
    while (begun.length < 100) {
      await nextTurn();
      perTurn.push(begun.length);
    }
    expect(perTurn).toEqual([32, 64, 96, 100]);
    expect(begun).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it('let nobody overtake those who wait', async () => {
    const turns = new EventLoopQueue(32);
    const begun: string[] = [];
    for (let i = 0; i < 70; i++) turns.enter(() => begun.push('early'));
    await nextTurn();
    turns.enter(() => begun.push('late'));
    expect(begun).not.toContain('late');
    while (!begun.includes('late')) await nextTurn();
    expect(begun.indexOf('late')).toBe(70);
  });
});
