import { afterEach, describe, expect, it } from 'vitest';
import type { parse, patternProblem } from '#blueprint';
import { HOSTILE_DOCUMENTS, HOSTILE_PATTERN } from '../../../test/support/hostile-requests.js';
import { TaskTooLarge, Workers } from './workers.js';

let workers: Workers;
const somebody = { source: 'somebody' };
afterEach(() => workers.onApplicationShutdown());

describe('Workers', () => {
  it('answer while the server does something else, one after the other', async () => {
    workers = new Workers({ threads: 1 });
    const answers = Promise.all(
      ['(', 'a', 'b)'].map((pattern) => workers.check<typeof patternProblem>(somebody, 'patternProblem', pattern)),
    );
    expect((await answers).map((problem) => problem === undefined)).toEqual([false, true, false]);
  });

  it('end a task that takes too long', async () => {
    workers = new Workers({ threads: 1, timeMs: 300 });
    const patterns = HOSTILE_DOCUMENTS.find(({ name }) => name === 'patterns')!.text;
    const slow = workers.run<typeof parse>(somebody, 'parse', patterns);
    await expect(slow).rejects.toThrow(TaskTooLarge);
    await expect(slow).rejects.toThrow(/takes too long/);
  });

  it('end a task that needs too much memory, and go on with a new thread', async () => {
    workers = new Workers({ threads: 1, memoryMb: 24 });
    const pattern = `(?:${HOSTILE_PATTERN.slice(3, -7).repeat(12)}){1000}`;
    expect(await workers.check<typeof patternProblem>(somebody, 'patternProblem', pattern)).toMatch(/too much memory/);
    expect(await workers.check<typeof patternProblem>(somebody, 'patternProblem', 'a')).toBeUndefined();
  });

  it('tell more than wait to come again', async () => {
    workers = new Workers({ threads: 1, queue: 2 });
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => workers.run<typeof patternProblem>(somebody, 'patternProblem', 'a')),
    );
    expect(
      results.map((result) => (result.status === 'fulfilled' ? 'done' : (result.reason as { code: string }).code)),
    ).toEqual(['done', 'done', 'done', 'capacity', 'capacity']);
  });

  it('let sources take turns: a flood of one delays and refuses only itself', async () => {
    workers = new Workers({ threads: 1 });
    const ended: string[] = [];
    const ask = (source: string) =>
      workers.run<typeof patternProblem>({ source }, 'patternProblem', 'a').then(
        () => void ended.push(source),
        () => void ended.push(`${source} refused`),
      );
    const flood = Array.from({ length: 80 }, () => ask('flood'));
    const other = ask('other');
    await Promise.all([...flood, other]);
    expect(ended.filter((who) => who === 'flood refused').length).toBeGreaterThan(60);
    const served = ended.filter((who) => !who.endsWith('refused'));
    // Behind the one that ran when it came, and one more at most.
    expect(served.indexOf('other')).toBeLessThanOrEqual(2);
    expect(served.filter((who) => who === 'flood').length).toBeGreaterThan(10);
  });

  it('a task that fails says why, and its thread goes on', async () => {
    workers = new Workers({ threads: 1 });
    await expect(workers.run(somebody, 'nothing')).rejects.toThrow(/TypeError/);
    expect(await workers.check<typeof patternProblem>(somebody, 'patternProblem', 'a')).toBeUndefined();
  });

  it('what waits when the server stops is refused', async () => {
    workers = new Workers({ threads: 1 });
    const results = Promise.allSettled(
      [1, 2].map(() => workers.run<typeof patternProblem>(somebody, 'patternProblem', HOSTILE_PATTERN)),
    );
    await workers.onApplicationShutdown();
    expect(
      (await results)
        .map((result) => (result as PromiseRejectedResult).reason as { code: string })
        .map(({ code }) => code),
    ).toEqual(['shutting_down', 'shutting_down']);
  });
});
