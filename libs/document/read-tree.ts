import { DOCUMENT_LIMITS, type TreeNode } from './node.js';
import { Problems } from './problem.js';
import { readJson } from './read-json.js';
import { readYaml } from './read-yaml.js';
import { forbiddenCharacter, type Source } from './source.js';

/** `auto` (the default) takes a text that is JSON as JSON and everything else as YAML. */
export type Format = 'yaml' | 'json' | 'auto';

/** Whether a text is within the limits of what is read, and of characters that a document may hold. */
export function checkText(source: Source, maxBytes: number = DOCUMENT_LIMITS.bytes, problems: Problems): boolean {
  const limit = Math.min(maxBytes, DOCUMENT_LIMITS.maxBytes);
  const bytes = new TextEncoder().encode(source.text).length;
  if (bytes > limit) problems.add('', `the document has ${bytes} bytes; at most ${limit} are read`, 0);
  if (source.templates.length >= DOCUMENT_LIMITS.templates)
    problems.add('', `the document has more than ${DOCUMENT_LIMITS.templates - 1} templates`, 0);
  const forbidden = forbiddenCharacter(source.text);
  if (forbidden) problems.add('', `the character ${forbidden.name} cannot be in a document`, forbidden.at);
  return problems.none;
}

/** A document as a tree, its templates taken out. @returns undefined after a problem */
export function readTree(source: Source, format: Format = 'auto', problems: Problems): TreeNode | undefined {
  if (format === 'json') return readJson(source.masked, problems);
  if (format === 'auto' && /^\s*[{[]/.test(source.masked)) {
    // A YAML flow map may start the same way: only what is JSON from end to end is taken as such.
    const trial = new Problems(
      (offset) => source.place(offset),
      (masked) => source.unmask(masked),
    );
    const tree = readJson(source.masked, trial);
    if (trial.none) return tree;
  }
  return readYaml(source.masked, problems);
}
