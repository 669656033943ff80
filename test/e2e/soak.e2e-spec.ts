import { expect, it } from 'vitest';
import { runScenario, scenarios } from '../soak/scenarios.mjs';

/** How often here; `npm run soak` repeats them for longer. */
const TIMES: Record<string, number> = {
  restarts: 2,
  terminate: 30,
  crash: 2,
  freeze: 1,
  hops: 1,
  instances: 2,
  operators: 1,
  credentials: 3,
};

it('every scenario has its short form here', () => {
  expect(Object.keys(TIMES).sort()).toEqual(Object.keys(scenarios).sort());
});

for (const [name, { about }] of Object.entries(scenarios)) {
  it(`${about}: servers live, and what was answered is what is there`, async () => {
    const { claims } = await runScenario(name, TIMES[name]);
    expect(claims).toBeGreaterThan(0);
  });
}
