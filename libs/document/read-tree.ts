import { DOCUMENT_LIMITS, type TreeNode } from './node.js';
import type { Problems } from './problem.js';
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

/** What is read within 20 ms, whatever it says: about 2 ms a kilobyte of YAML where each sign is a value or a mistake, and 0.3 ms of JSON. */
const QUICK_BYTES = { yaml: 2 * 1024, json: 16 * 1024 };

/**
 * Whether a text of somebody else's is read so quickly that it need not be read in a thread. Aliases let a short one stand for a long one; what
 * is taken for a template may end in another place of the JSON, and leave none. Patterns may cost more.
 */
export function isReadQuickly(text: string): boolean {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > QUICK_BYTES.json || text.includes('&')) return false;
  return bytes <= QUICK_BYTES.yaml || (!text.includes('{{') && isJson(text));
}

function isJson(text: string): boolean {
  if (!/^\s*[{[]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** A document as a tree, its templates taken out. @returns undefined after a problem */
export function readTree(source: Source, format: Format = 'auto', problems: Problems): TreeNode | undefined {
  // A YAML flow map may start as JSON does: only what is JSON from end to end is taken as such.
  const json = format === 'json' || (format === 'auto' && isJson(source.masked));
  return json ? readJson(source.masked, problems) : readYaml(source.masked, problems);
}
