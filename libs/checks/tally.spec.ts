import { expect, it } from 'vitest';
import { Tally } from './tally.js';

const after = (thresholds: object, looks: string) => {
  const tally = new Tally(thresholds);
  return [...looks].map((look) => (tally.take(look === '+'), tally.health));
};

it('says what one look says where nothing else is asked for', () => {
  expect(after({}, '+-+')).toEqual(['healthy', 'unhealthy', 'healthy']);
});

it('counts good and failed looks in a row, and is as it was until there are enough', () => {
  expect(after({ healthyThreshold: 2, unhealthyThreshold: 3 }, '+-++--+---+')).toEqual([
    ...['unknown', 'unknown', 'unknown', 'healthy'],
    ...['healthy', 'healthy', 'healthy'],
    ...['healthy', 'healthy', 'unhealthy', 'unhealthy'],
  ]);
});
