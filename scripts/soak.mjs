// `npm run soak [-- --only restarts,crash --times N]`: repeats what must not be lost by chance, prints a report, fails when anything did.
import { parseArgs } from 'node:util';
import { fail, help, setUp } from './setup.mjs';

help('npm run soak [-- --only restarts,terminate,crash,freeze,hops,instances,operators,credentials --times N]');
await setUp();
const { runScenario, scenarios } = await import('../test/soak/scenarios.mjs');
const { only, times } = parse();
const failures = [];
for (const { name, about, times: usual } of only) {
  const repetitions = times ?? usual;
  console.log(`${name}: ${about}, ${repetitions} times`);
  const began = performance.now();
  let outcome;
  try {
    outcome = `held    ${figures(await runScenario(name, repetitions))}`;
  } catch (error) {
    failures.push(name);
    outcome = `FAILED  ${error.message}`;
  }
  console.log(`  ${outcome}\n  ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
}
console.log(
  failures.length === 0
    ? `${only.length} scenarios held`
    : `${failures.length} of ${only.length} scenarios failed: ${failures.join(', ')}`,
);
process.exit(failures.length === 0 ? 0 : 1);

function parse() {
  const names = Object.keys(scenarios);
  try {
    const { values } = parseArgs({ options: { only: { type: 'string' }, times: { type: 'string' } } });
    const only = (values.only?.split(',') ?? names).map((name) => ({
      name,
      ...(scenarios[name] ?? fail(`There is no scenario "${name}"; there are ${names.join(', ')}.`)),
    }));
    if (values.times !== undefined && !/^[1-9]\d{0,5}$/.test(values.times)) fail('--times takes a whole number.');
    return { only, times: values.times === undefined ? undefined : Number(values.times) };
  } catch (error) {
    return fail(`${error.message}\nnpm run soak [-- --only ${names.join(',')} --times N]`);
  }
}

function figures(found) {
  return Object.entries(found)
    .map(([what, n]) => `${what} ${n}`)
    .join(', ');
}
