import { describe, expect, it } from 'vitest';
import { databaseBusy } from '#platform';
import { KeyQueue } from './key-queue.js';

/** Work that ends when it is told to. */
function job() {
  let started = false;
  let finish!: (value: string) => void;
  let fail!: (error: unknown) => void;
  const result = new Promise<string>((resolve, reject) => ([finish, fail] = [resolve, reject]));
  const work = () => ((started = true), result);
  return { work, finish, fail, started: () => started };
}

const soon = () => new Promise((done) => setImmediate(done));

describe('transactions on one key', () => {
  it('run one after the other, those on another key meanwhile', async () => {
    const turns = new KeyQueue();
    const [first, second, other] = [job(), job(), job()];
    const answers = [turns.take('a', first.work), turns.take('a', second.work), turns.take('b', other.work)];
    await soon();
    expect([first.started(), second.started(), other.started()]).toEqual([true, false, true]);
    first.finish('first');
    await soon();
    expect(second.started()).toBe(true);
    second.finish('second');
    other.finish('other');
    expect(await Promise.all(answers)).toEqual(['first', 'second', 'other']);
  });

  it('go on after one that was refused', async () => {
    const turns = new KeyQueue();
    const [first, second] = [job(), job()];
    const answers = [turns.take('a', first.work), turns.take('a', second.work)];
    first.fail(new Error('refused'));
    second.finish('second');
    await expect(answers[0]).rejects.toThrow('refused');
    expect(await answers[1]).toBe('second');
  });

  it('are all put off with one that could not be done now; who comes later is tried', async () => {
    const turns = new KeyQueue();
    const [first, second, third, later] = [job(), job(), job(), job()];
    const answers = [first, second, third].map(({ work }) => turns.take('a', work));
    first.fail(databaseBusy());
    const settled = await Promise.allSettled(answers);
    expect(settled.map((answer) => answer.status === 'rejected' && (answer.reason as { code: string }).code)).toEqual(
      Array(3).fill('database_busy'),
    );
    expect([second.started(), third.started()]).toEqual([false, false]);
    later.finish('later');
    expect(await turns.take('a', later.work)).toBe('later');
  });
});
