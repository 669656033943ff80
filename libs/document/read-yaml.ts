import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  Parser,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { DOCUMENT_LIMITS, type MapEntry, type MapNode, type TreeNode } from './node.js';
import { below, type Problems, shown } from './problem.js';

/** YAML 1.2 with anchors and merge keys, as a tree of plain values. @returns undefined after a problem */
export function readYaml(text: string, problems: Problems): TreeNode | undefined {
  const deep = tooDeep(text);
  if (deep >= 0) {
    problems.add('', `is nested more than ${DOCUMENT_LIMITS.depth} levels deep`, deep);
    return undefined;
  }
  const documents = quietly(() => firstDocuments(text));
  if (documents instanceof Error) {
    // The library throws nothing by design; what is left is a stack too deep for it.
    problems.add(
      '',
      documents instanceof RangeError ? 'is nested too deep' : `not valid YAML: ${firstLine(documents.message)}`,
      0,
    );
    return undefined;
  }
  // One mistake may end several open lists and maps at one place; the first words about it are enough.
  const places = new Set<number>();
  for (const error of documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])) {
    if (places.has(error.pos[0])) continue;
    places.add(error.pos[0]);
    problems.add('', `not valid YAML: ${firstLine(error.message)}`, error.pos[0]);
  }
  if (documents.length > MAX_DOCUMENTS)
    problems.add('', `there are more than ${MAX_DOCUMENTS} documents in the file`, documents.at(-1)!.range[0]);
  const [document, second] = documents.filter((one) => !isBlank(one));
  if (second) problems.add('', 'there is a second document in the file: it is to be one', second.range[0]);
  if (!problems.none) return undefined;
  if (!document?.contents) return { kind: 'scalar', at: 0, value: null, source: '' };
  const tree = new YamlTree(problems, text).convert(document.contents, '', 0);
  return problems.none ? tree : undefined;
}

/** Marks that begin or end a document may stand anywhere around the one that says something, but each costs as much as a document. */
const MAX_DOCUMENTS = 100;

type YamlDocument = Document.Parsed;

/** The documents of a text up to the second that says something, or one more than there may be. */
function firstDocuments(text: string): YamlDocument[] {
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    // Duplicate keys are found below: the library compares every key with every other.
    uniqueKeys: false,
    merge: false,
    prettyErrors: false,
    logLevel: 'error',
  });
  const found: YamlDocument[] = [];
  let saying = 0;
  for (const document of composer.compose(new Parser().parse(text), true, text.length)) {
    found.push(document);
    if (!isBlank(document)) saying++;
    if (saying > 1 || found.length > MAX_DOCUMENTS) break;
  }
  return found;
}

/** Nothing stands between its marks but comments. */
function isBlank({ contents, errors }: YamlDocument): boolean {
  if (errors.length > 0) return false;
  return contents === null || (isScalar(contents) && contents.source === '' && !contents.tag && !contents.anchor);
}

/** Each mistake in a text is an Error to the library; without their stacks a million commas are a matter of a second. */
function quietly<T>(work: () => T): T | Error {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    Error.stackTraceLimit = before;
  }
}

/** Collections nest by recursion inside the library; this bounds it beforehand, and is generous with brackets inside texts. */
function tooDeep(text: string): number {
  const LIMIT = 20 * DOCUMENT_LIMITS.depth;
  let open = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === 0x5b || c === 0x7b) open++;
    else if ((c === 0x5d || c === 0x7d) && open > 0) open--;
    if (open > LIMIT) return at;
  }
  // `- - - -` and `? ? ? ?` nest on one line; deeper indentation on the next nests further.
  const compact = /^[ \t]*(?:[-?:][ \t]+){24}/m.exec(text);
  return compact ? compact.index : deepestIndent(text);
}

/** Block collections nest by indentation, so that depth shows in the number of different indents that are open at once. */
function deepestIndent(text: string): number {
  const open: number[] = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    const stop = end < 0 ? text.length : end;
    let indent = 0;
    while (at + indent < stop && text.charCodeAt(at + indent) === 0x20) indent++;
    if (at + indent < stop) {
      while (open.length > 0 && (open[open.length - 1] ?? 0) >= indent) open.pop();
      open.push(indent);
      if (open.length > 4 * DOCUMENT_LIMITS.depth) return at;
    }
    at = stop + 1;
  }
  return -1;
}

/** Anchors whose content is being read hold 'open': an alias to one is a cycle. */
type Anchored = { node: TreeNode; size: number } | 'open';

class YamlTree {
  private readonly anchors = new Map<string, Anchored>();
  private aliases = 0;
  private nodes = 0;
  private stopped = false;

  constructor(
    private readonly problems: Problems,
    private readonly text: string,
  ) {}

  convert(node: Node | null, path: string, depth: number): TreeNode {
    const at = node?.range?.[0] ?? 0;
    const nothing: TreeNode = { kind: 'scalar', at, value: null, source: '' };
    if (this.stopped || node === null) return nothing;
    if (depth > DOCUMENT_LIMITS.depth)
      return this.stop(nothing, path, `is nested more than ${DOCUMENT_LIMITS.depth} levels deep`);
    if (++this.nodes > DOCUMENT_LIMITS.nodes)
      return this.stop(
        nothing,
        path,
        `the document has more than ${DOCUMENT_LIMITS.nodes} values, aliases written out`,
      );
    if (isAlias(node)) return this.alias(node.source, path, nothing);
    const anchor = 'anchor' in node ? node.anchor : undefined;
    const before = this.nodes;
    if (anchor) this.anchors.set(anchor, 'open');
    const converted = this.content(node, path, depth, nothing);
    if (anchor) this.anchors.set(anchor, { node: converted, size: this.nodes - before + 1 });
    return converted;
  }

  private content(node: Node, path: string, depth: number, nothing: TreeNode): TreeNode {
    if (isMap(node)) return this.map(node, path, depth, nothing.at);
    if (isSeq(node))
      return {
        kind: 'list',
        at: nothing.at,
        items: node.items.map((item, i) => this.convert(item as Node | null, `${path}[${i}]`, depth + 1)),
      };
    if (!isScalar(node)) return nothing;
    return this.scalar(node, path, nothing);
  }

  private scalar(node: Scalar, path: string, nothing: TreeNode): TreeNode {
    const { value } = node;
    const source = node.source ?? '';
    if (typeof value === 'string' || typeof value === 'boolean' || value === null)
      return { kind: 'scalar', at: nothing.at, value, source };
    if (typeof value === 'number') return { kind: 'scalar', at: nothing.at, value, source };
    this.problems.add(path, 'is of a kind that a document does not have', nothing.at);
    return nothing;
  }

  private alias(name: string, path: string, nothing: TreeNode): TreeNode {
    const anchored = this.anchors.get(name);
    if (anchored === 'open')
      return this.stop(nothing, path, `the alias *${shown(name).slice(1, -1)} stands inside its own anchor`);
    if (anchored === undefined)
      return this.stop(nothing, path, `there is no anchor for the alias *${shown(name).slice(1, -1)}`);
    if (++this.aliases > DOCUMENT_LIMITS.aliases)
      return this.stop(nothing, path, `the document has more than ${DOCUMENT_LIMITS.aliases} aliases`);
    this.nodes += anchored.size;
    if (this.nodes > DOCUMENT_LIMITS.nodes)
      return this.stop(
        nothing,
        path,
        `the document has more than ${DOCUMENT_LIMITS.nodes} values, aliases written out`,
      );
    return anchored.node;
  }

  private map(node: YAMLMap, path: string, depth: number, at: number): TreeNode {
    const own: MapEntry[] = [];
    const merged: MapEntry[] = [];
    const seen = new Set<string>();
    for (const pair of node.items as Pair<Node | null, Node | null>[]) {
      const keyNode = pair.key;
      const keyAt = keyNode?.range?.[0] ?? at;
      if (keyNode && isScalar(keyNode) && keyNode.value === '<<' && keyNode.type === 'PLAIN') {
        merged.push(...this.mergedEntries(pair.value, path, depth, keyAt));
        continue;
      }
      const key = this.key(keyNode, path, keyAt);
      if (key === undefined) continue;
      const value = this.convert(pair.value, below(path, key), depth + 1);
      if (seen.has(key)) this.problems.add(below(path, key), 'is given twice', keyAt);
      else own.push({ key, keyAt, value: pair.value === null ? { ...value, at: keyAt } : value });
      seen.add(key);
    }
    // What the map says itself wins, and of several merged maps the first.
    for (const entry of merged) {
      if (!seen.has(entry.key)) own.push(entry);
      seen.add(entry.key);
    }
    return { kind: 'map', at, entries: own };
  }

  private key(node: Node | null, path: string, at: number): string | undefined {
    if (node && isScalar(node) && typeof node.value === 'string') {
      if (node.anchor) this.problems.add(path, 'a key cannot have an anchor', at);
      return node.value;
    }
    const what =
      node && isScalar(node) ? shown(node.source ?? String(node.value)) : 'a list, a map, an alias or nothing';
    if (node && this.text.startsWith('{{', at - 1)) {
      this.problems.add(
        path,
        `without quotes {{ begins a map in YAML; a template stands in quotes: "{{env.NAME}}", or '{{env.NAME | default "text"}}'`,
        at - 1,
      );
      return undefined;
    }
    const hint = what.startsWith('"') && what.length > 2 ? `: write ${what} in quotes` : '';
    this.problems.add(path, `a key must be text, not ${what}${hint}`, at);
    return undefined;
  }

  private mergedEntries(node: Node | null, path: string, depth: number, at: number): MapEntry[] {
    const value = this.convert(node, below(path, '<<'), depth);
    const maps = value.kind === 'list' ? value.items : [value];
    if (maps.every((map): map is MapNode => map.kind === 'map')) return maps.flatMap((map) => map.entries);
    if (!this.stopped) this.problems.add(below(path, '<<'), 'merges only maps', at);
    return [];
  }

  private stop(node: TreeNode, path: string, problem: string): TreeNode {
    this.stopped = true;
    this.problems.add(path, problem, node.at);
    return node;
  }
}

function firstLine(message: string): string {
  const line = message.split('\n')[0] ?? '';
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
