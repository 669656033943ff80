import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Mutant, mutants } from './mutants/mutants.mjs';

const textOf = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

/** What keeps a patch from breaking its rule and from being seen to, or undefined. */
function lost({ file, find, replace, test, name }: Mutant): string | undefined {
  const fits = textOf(file).split(find).length - 1;
  if (fits !== 1) return `fits ${fits} places of ${file}, not one`;
  if (find === replace) return 'changes nothing';
  return name === undefined || textOf(test).includes(name) ? undefined : `no test of ${test} is called ${name}`;
}

describe('npm run mutants', () => {
  it.each(mutants)('finds the one place that it breaks: $rule', (mutant) => {
    expect(lost(mutant)).toBeUndefined();
  });

  it('has a text for each rule that picks it', () => {
    expect(new Set(mutants.map(({ rule }) => rule)).size).toBe(mutants.length);
  });
});
