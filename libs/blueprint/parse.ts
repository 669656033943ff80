import { checkText, type Format, type Problem, Problems, readTree, Source, type TreeNode } from '#document';
import { fillTree } from './fill.js';
import type { Blueprint } from './model.js';
import { readDocument, SECTION_ALIASES } from './read-document.js';
import { NO_TEMPLATES, OPEN_SITE_TEMPLATES, type SiteValues, siteTemplates, type Templates } from './template.js';

export type ParseOptions = {
  format?: Format;
  /** What templates stand for; without it there may be none. */
  templates?: Templates;
  /** The site whose values fill in templates, or 'open' before there is one: plain data, which can be sent to a thread. */
  site?: SiteValues | 'open';
  /** Templates were filled in already, and what looks like one is a value: the document comes from an agent. */
  literal?: boolean;
  /** The document is an operator's: it may also say what no site may say of itself. */
  operators?: boolean;
  /** Bytes of UTF-8, at most 1 MB. */
  maxBytes?: number;
};

/** Either a model or problems, never both. */
export type Parsed =
  | { ok: true; model: Blueprint; problems: [] }
  | { ok: false; model: undefined; problems: Problem[] };

/**
 * Reads a blueprint (docs/blueprints.md "The document"): limits, YAML or JSON, templates, schema, rules across the document.
 * @returns the model with every default filled in, or everything that is wrong with it. Never throws for what the text holds.
 */
export function parse(text: string, options: ParseOptions = {}): Parsed {
  const source = new Source(text, options.literal);
  const problems = new Problems(
    (offset) => source.place(offset),
    (masked) => source.unmask(masked),
  );
  const tree = checkText(source, options.maxBytes, problems) ? readTree(source, options.format, problems) : undefined;
  if (!tree) return { ok: false, model: undefined, problems: problems.list() };
  if (!options.literal) fillTree(tree, source, templatesOf(options), problems);
  return result(readDocument(tree, problems, options.operators), problems);
}

/**
 * Where parts of a document stand in its text, for problems that are found after it was read.
 * @returns for each path, such as `public-resources.web.targets[0].port`, its place or that of the nearest part above it; 0 where there is none
 */
export function placesOf(text: string, options: ParseOptions, paths: string[]): Pick<Problem, 'line' | 'column'>[] {
  const source = new Source(text, options.literal);
  const problems = new Problems();
  const tree = readTree(source, options.format, problems);
  if (tree && !options.literal) fillTree(tree, source, templatesOf(options), problems);
  return paths.map((path) => {
    const sections = (tree?.kind === 'map' ? tree.entries : []).flatMap(({ key, keyAt, value }) => {
      const rest = restAfter(SECTION_ALIASES.get(key) ?? key, path);
      return rest === undefined ? [] : [{ keyAt, at: offsetOf(value, rest) }];
    });
    // In both spellings of a section there may be a part of it.
    const at = sections.find((section) => section.at !== undefined)?.at ?? sections[0]?.keyAt;
    return at === undefined ? { line: 0, column: 0 } : source.place(at);
  });
}

/** Keys may hold dots and brackets: of the parts of a map the longest that the path begins with is meant. */
function offsetOf(node: TreeNode, path: string): number | undefined {
  if (path === '' || node.kind === 'scalar') return node.kind === 'map' ? undefined : node.at;
  if (node.kind === 'list') {
    const [start, index] = /^\[(\d+)\]\.?/.exec(path) ?? [];
    const item = index === undefined ? undefined : node.items[Number(index)];
    return item ? (offsetOf(item, path.slice(start!.length)) ?? item.at) : node.at;
  }
  const found = node.entries.flatMap(({ key, keyAt, value }) => {
    const rest = restAfter(key, path);
    return rest === undefined ? [] : [{ keyAt, value, rest }];
  });
  const [chosen] = found.sort((a, b) => a.rest.length - b.rest.length);
  if (!chosen) return undefined;
  // What has parts of its own stands where its name stands.
  return chosen.rest === '' && chosen.value.kind !== 'scalar'
    ? chosen.keyAt
    : (offsetOf(chosen.value, chosen.rest) ?? chosen.keyAt);
}

function restAfter(key: string, path: string): string | undefined {
  if (!path.startsWith(key)) return undefined;
  const rest = path.slice(key.length);
  return rest === '' || rest.startsWith('[') ? rest : rest.startsWith('.') ? rest.slice(1) : undefined;
}

function templatesOf({ templates, site }: ParseOptions): Templates {
  if (site !== undefined) return site === 'open' ? OPEN_SITE_TEMPLATES : siteTemplates(site);
  return templates ?? NO_TEMPLATES;
}

export function result(model: Blueprint, problems: Problems): Parsed {
  return problems.none ? { ok: true, model, problems: [] } : { ok: false, model: undefined, problems: problems.list() };
}
