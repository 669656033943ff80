import type { BundleText } from '#contracts';
import { BootstrapError } from './bootstrap-error.js';
import { applyFilters } from './filters.js';

/**
 * A text of a bundle with its variables filled in; one set to nothing counts as not set. What comes in is not read as a template.
 * @param path of the text in the bundle, for the problem
 * @throws BootstrapError when a variable without a default is not set
 */
export function fillText(text: BundleText, env: Readonly<Record<string, string | undefined>>, path = ''): string {
  return text
    .map((part) => {
      if (typeof part === 'string') return part;
      const value = (Object.hasOwn(env, part.env) ? env[part.env] : undefined) || part.default;
      if (value !== undefined) return applyFilters(value, part.filters);
      const message = `the environment variable ${part.env} is not set`;
      throw new BootstrapError([{ path, message, line: part.line, column: part.column }]);
    })
    .join('');
}
