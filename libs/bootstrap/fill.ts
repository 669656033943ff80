import type { BundleText, EnvPart } from '#contracts';
import { BootstrapError } from './bootstrap-error.js';
import { applyFilters, checkSize } from './filters.js';

/**
 * A text of a bundle with its variables filled in; one set to nothing counts as not set. What comes in is not read as a template.
 * @param path of the text in the bundle, for problems
 * @param problemOf what is wrong with the whole text, which is only known now
 * @throws BootstrapError when a variable without a default is not set, something is wrong with the text, or it is too long for a bundle; it holds no values
 */
export function fillText(
  text: BundleText,
  env: Readonly<Record<string, string | undefined>>,
  path = '',
  problemOf: (filled: string) => string | undefined = () => undefined,
): string {
  const refuse = (message: string, part: EnvPart | undefined) => {
    return new BootstrapError([{ path, message, line: part?.line ?? 0, column: part?.column ?? 0 }]);
  };
  let whole = '';
  for (const part of text) {
    if (typeof part === 'string') whole += part;
    else {
      const value = (Object.hasOwn(env, part.env) ? env[part.env] : undefined) || part.default;
      if (value === undefined) throw refuse(`the environment variable ${part.env} is not set`, part);
      whole += applyFilters(value, part.filters);
    }
    checkSize(whole.length);
  }
  const problem = problemOf(whole);
  if (problem !== undefined)
    throw refuse(
      problem,
      text.find((part) => typeof part !== 'string'),
    );
  return whole;
}
