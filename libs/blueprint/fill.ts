import { below, type MapNode, type Problems, type ScalarNode, type Source, shown, type TreeNode } from '#document';
import { fillTemplate, formsOf, type Templates } from './template.js';

const STILL_A_TEMPLATE = /\{\{[^{}\n\r]+\}\}/;
/** Braces alone are text; with a name behind them somebody meant a template. */
const OPENED = /\{\{[ \t]*[A-Za-z_].*/;
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
  /** Looked for in what is written, not in what values hold. */
  const misread = (masked: string, path: string, at: number): void => {
    const left = STILL_A_TEMPLATE.exec(masked);
    if (left) return problems.add(path, `${left[0].slice(0, 60)} is not understood: write ${formsOf(templates)}`, at);
    const opened = OPENED.exec(masked);
    if (opened)
      problems.add(
        path,
        `${shown(source.unmask(opened[0]))} begins a template that does not end: write ${formsOf(templates)}`,
        at,
      );
  };
  const scalar = (node: ScalarNode, path: string): void => {
    if (typeof node.value !== 'string') return;
    misread(node.value, path, node.at);
    const filled = fill(node.value, path);
    if (!filled) return;
    Object.assign(node, { value: filled.text, source: filled.text, loose: true, open: filled.open });
  };
  const map = (node: MapNode, path: string, depth: number): void => {
    const seen = new Set<string>();
    for (const entry of node.entries) {
      misread(entry.key, path, entry.keyAt);
      const filled = fill(entry.key, path);
      if (filled && depth === NAMES_AT_DEPTH) entry.key = filled.text;
      else if (filled)
        problems.add(
          path,
          'a template may stand in values and in the names of resources, not in other keys',
          entry.keyAt,
        );
      if (depth === NAMES_AT_DEPTH && seen.has(entry.key))
        problems.add(below(path, entry.key), 'is given twice', entry.keyAt);
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
