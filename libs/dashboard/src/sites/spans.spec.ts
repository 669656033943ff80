import { expect, it } from 'vitest';
import { spansOf } from './spans';

const at = (hours: number): string => new Date(hours * 3_600_000).toISOString();
const of = (...sessions: [from: number, to: number | null][]) =>
  spansOf(
    sessions.map(([from, to]) => ({ connectedAt: at(from), endedAt: to === null ? null : at(to) })),
    0,
    10 * 3_600_000,
  ).map(({ online, part }) => [online ? 'online' : 'offline', Math.round(part * 10)]);

it('cuts a time into what a site was connected, and what not', () => {
  expect(of([6, null], [2, 4])).toEqual([
    ['offline', 2],
    ['online', 2],
    ['offline', 2],
    ['online', 4],
  ]);
});

it('takes sessions that overlap or begin before as one', () => {
  expect(of([3, 5], [-2, 4], [4, 6])).toEqual([
    ['online', 6],
    ['offline', 4],
  ]);
  expect(of()).toEqual([['offline', 10]]);
  expect(of([-5, null])).toEqual([['online', 10]]);
});
