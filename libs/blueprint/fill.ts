import type { MapNode, ScalarNode, TreeNode } from './node.js';
import { below, type Problems } from './problem.js';
import type { Source } from './source.js';
import { fillTemplate, type Templates } from './template.js';

const STILL_A_TEMPLATE = /\{\{[^{}\n\r]+\}\}/;
/** Templates may name a resource: document, section, resource. */
const NAMES_AT_DEPTH = 1;

/**
 * Puts the values of templates into the scalars of a tree, in place. A value is a scalar's text or a part of it and nothing else,
 * whatever it holds; it is not looked through for templates again.
 */
export function fillTree(root: TreeNode, source: Source, templates: Templates, problems: Problems): void {
  const done = new Set<TreeNode>();
  const fill = (masked: string, path: string): { text: string; open: boolean } | undefined => {
    let bad = false;
    const text = source.replaceTemplates(masked, ({ raw, at }) => {
      const filled = fillTemplate(raw, templates);
      if ('value' in filled) return filled.value;
      problems.add(path, filled.problem, at);
      bad = true;
      return raw;
    });
    return text === undefined ? undefined : { text, open: bad || templates.open === true };
  };
  const scalar = (node: ScalarNode, path: string): void => {
    if (typeof node.value !== 'string') return;
    const filled = fill(node.value, path);
    const left = filled?.open ? null : STILL_A_TEMPLATE.exec(filled?.text ?? node.value);
    if (left) problems.add(path, filled ? 'a value with {{…}} in it cannot be filled in' : `${left[0].slice(0, 60)} is not understood`, node.at);
    if (!filled) return;
    Object.assign(node, { value: filled.text, source: filled.text, loose: true, open: filled.open });
  };
  const map = (node: MapNode, path: string, depth: number): void => {
    const seen = new Set<string>();
    for (const entry of node.entries) {
      const filled = fill(entry.key, path);
      if (filled && depth === NAMES_AT_DEPTH) entry.key = filled.text;
      else if (filled) problems.add(path, 'a template may stand in values and in the names of resources, not in other keys', entry.keyAt);
      if (depth === NAMES_AT_DEPTH && seen.has(entry.key)) problems.add(below(path, entry.key), 'is given twice', entry.keyAt);
      seen.add(entry.key);
      walk(entry.value, below(path, entry.key), depth + 1);
    }
  };
  const walk = (node: TreeNode, path: string, depth: number): void => {
    // An alias shares its anchor's tree: filled in once.
    if (done.has(node)) return;
    done.add(node);
    if (node.kind === 'scalar') scalar(node, path);
    else if (node.kind === 'map') map(node, path, depth);
    else node.items.forEach((item, i) => walk(item, `${path}[${i}]`, depth + 1));
  };
  walk(root, '', 0);
}
