import { maskSecrets, SECRET, toYaml } from './export.js';
import { parse } from './parse.js';
import type { Templates } from './template.js';

/**
 * A document as it was written, for a history: secrets are masked where they stand. One whose secrets are not found as they are written
 * (in escapes, over several lines) comes as what was read of it; one that cannot be read is empty.
 * @param templates those that may stand in it; a secret that is a template alone is none
 */
export function withoutSecrets(text: string, templates: Templates): string {
  const parsed = parse(text, { templates });
  if (!parsed.ok) return '{}\n';
  const masked = maskSecrets(parsed.model);
  const secrets = new Set(hidden(parsed.model, masked).filter((secret) => !/^\{\{[^{}]*\}\}$/.test(secret)));
  if ([...secrets].some((secret) => !text.includes(secret))) return toYaml(masked);
  return [...secrets]
    .sort((a, b) => b.length - a.length)
    .reduce((rest, secret) => rest.replaceAll(secret, () => SECRET), text);
}

/** The texts that are masked in the second of two trees of one shape. */
function hidden(before: unknown, after: unknown): string[] {
  if (typeof before === 'object' && before !== null) {
    return Object.entries(before).flatMap(([key, value]) => hidden(value, (after as Record<string, unknown>)[key]));
  }
  return before !== after && after === SECRET ? [String(before)] : [];
}
