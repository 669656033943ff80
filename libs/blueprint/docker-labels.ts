import { nearest } from '#contracts';
import {
  below,
  describeProblem,
  type ListNode,
  type MapNode,
  type Problem,
  Problems,
  type ScalarNode,
  shown,
  type TreeNode,
} from '#document';
import { type Parsed, result } from './parse.js';
import { readDocument, SECTION_NAMES } from './read-document.js';

/** What is needed of a running container. */
export type LabelledContainer = {
  name: string;
  /** Taken for a target's hostname when the container has no name. */
  hostname?: string;
  labels: Readonly<Record<string, string>>;
  /** Ports inside the container, in the engine's order. */
  ports: readonly number[];
};

const PREFIX = 'pangolin.';
const SPELLINGS = [
  ['proxy-resources', 'public-resources'],
  ['client-resources', 'private-resources'],
] as const;
const MAX_INDEX = 255;
const MAX_PARTS = 12;

/** What the labels of containers amount to. Problems name the containers and labels that they come from. */
export type FromLabels = {
  parsed: Parsed;
  /** Names of the containers whose labels are wrong. */
  wrong: string[];
};

/**
 * The blueprint that the labels of containers describe: `pangolin.<section>.<key>.<path>`, dots between the parts, `name[3]` an item of
 * a list (docs/blueprints.md "Container labels"). Containers are put together in the order of their names, the last one wins; a target without a
 * hostname is its container, without a port its container's first. A label has no type: it becomes what the schema wants. Numbers of a list are
 * an order: what is left out between them is no item.
 */
export function fromDockerLabels(containers: readonly LabelledContainer[]): FromLabels {
  const { root, labels, wrong, problems } = treeOf(containers);
  const schema = new Problems();
  const { problems: others, ...parsed } = result(readDocument(root, schema), schema);
  const named = others.map((problem) => {
    const origin = originOf(problem.path, labels);
    for (const one of origin) wrong.add(one.container);
    return origin.length === 0
      ? problem
      : { ...problem, path: '', message: `${whereOf(origin)}: ${describeProblem(problem)}` };
  });
  const all = [...problems, ...named];
  return {
    parsed:
      all.length === 0 && parsed.ok ? { ...parsed, problems: [] } : { ok: false, model: undefined, problems: all },
    wrong: [...wrong],
  };
}

/**
 * Which containers say what stands at these places, for problems that are found after the document was read.
 * @returns for each path the names of its containers; none where no label says it
 */
export function containersAt(containers: readonly LabelledContainer[], paths: readonly string[]): string[][] {
  const { labels } = treeOf(containers);
  const namesOf = new Map<Labels, string[]>();
  return paths.map((path) => {
    const origin = originOf(path, labels);
    let names = namesOf.get(origin);
    if (!names) namesOf.set(origin, (names = [...new Set(origin.map((one) => one.container))]));
    return names;
  });
}

/** What a container's labels speak of; `parts`: keys of which they say targets only. */
export type NamedByLabels = { publicKeys: string[]; privateKeys: string[]; parts: string[] };

/** @returns undefined when a label names no key that is understood */
export function namedByLabels({ labels }: LabelledContainer): NamedByLabels | undefined {
  const [publicKeys, privateKeys, whole] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const label of Object.keys(labels)) {
    if (!label.startsWith(PREFIX)) continue;
    const [section = '', key = '', field = ''] = label.slice(PREFIX.length).split('.');
    const isPublic = /^(?:public|proxy)-resources$/.test(section);
    if (!(isPublic || /^(?:private|client)-resources$/.test(section)) || !/^[^[\]]+$/.test(key)) return undefined;
    (isPublic ? publicKeys : privateKeys).add(key);
    if (isPublic && !/^targets\[\d+\]$/.test(field)) whole.add(key);
  }
  return {
    publicKeys: [...publicKeys],
    privateKeys: [...privateKeys],
    parts: [...publicKeys].filter((key) => !whole.has(key)),
  };
}

/**
 * The same without the containers whose labels are wrong: what such a container said when it was last right is taken instead.
 * @param before containers as they were last right; the ones that are right now are noted in it
 * @returns what is to be sent, the containers that it is made of, and everything that is wrong, each problem with its containers and labels
 */
export function fromGoodLabels(
  containers: readonly LabelledContainer[],
  before: Map<string, LabelledContainer>,
): { parsed: Parsed; taken: LabelledContainer[]; problems: Problem[] } {
  const problems: Problem[] = [];
  let taken = byName(containers);
  for (;;) {
    const { parsed, wrong } = fromDockerLabels(taken);
    problems.push(...parsed.problems);
    // Nothing but mistakes is no empty document, which would remove everything.
    if (taken.length === 0 && problems.length > 0)
      return { parsed: { ok: false, model: undefined, problems }, taken, problems };
    if (parsed.ok || wrong.length === 0) {
      for (const one of taken) before.set(one.name, one);
      return { parsed, taken, problems };
    }
    // One that is wrong as it was last right too, beside what others say now, is left out.
    taken = taken.flatMap((one) => {
      const earlier = before.get(one.name);
      return !wrong.includes(one.name) ? [one] : earlier !== undefined && earlier !== one ? [earlier] : [];
    });
  }
}

const byName = (containers: readonly LabelledContainer[]) =>
  [...containers].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

/** The labels of containers as a tree. `wrong`: names of the containers whose labels the problems come from. */
function treeOf(containers: readonly LabelledContainer[]): {
  root: MapNode;
  labels: Origins;
  wrong: Set<string>;
  problems: Problem[];
} {
  const problems = new Problems();
  const root = emptyMap();
  const placed: { container: string; label: string; steps: Steps }[] = [];
  const wrong = new Set<string>();
  for (const container of byName(containers)) {
    const own = emptyMap();
    for (const label of Object.keys(container.labels).sort()) {
      if (!label.startsWith(PREFIX)) continue;
      const steps = place(own, label, container, problems);
      if (steps === undefined) wrong.add(container.name);
      else placed.push({ container: container.name, label, steps });
    }
    completeTargets(own, container);
    merge(root, own);
  }
  for (const [old, now] of SPELLINGS) respell(root, old, now);
  const labels = placed.map(({ steps, ...label }) => ({ ...label, path: pathOf(root, steps) }));
  return { root, labels: originsOf(labels), wrong, problems: problems.list() };
}

type Labels = { container: string; label: string; path: string }[];

/** The labels by the place that they say, the last one of each, and by every place that holds it: a thousand places are looked for at once. */
type Origins = { exact: Map<string, Labels>; inside: Map<string, Labels> };

function originsOf(labels: Labels): Origins {
  const origins: Origins = { exact: new Map(), inside: new Map() };
  for (const label of labels) {
    origins.exact.set(label.path, [label]);
    for (let at = label.path; at !== ''; at = outerOf(at)) {
      const inside = origins.inside.get(at);
      if (inside) inside.push(label);
      else origins.inside.set(at, [label]);
    }
  }
  return origins;
}

/** The labels at a place of the document, of the last container where one label of several counts; else those of what it is in. */
function originOf(path: string, { exact, inside }: Origins): Labels {
  const label = exact.get(path);
  if (label) return label;
  for (let at = path; at !== ''; at = outerOf(at)) {
    const labels = inside.get(at);
    if (labels) return labels;
  }
  return NOWHERE;
}

const NOWHERE: Labels = [];

/** `a.b` of `a.b.c`, `a.b["c d"]` and `a.b[0]`; nothing of a whole path. */
const outerOf = (path: string) => {
  const outer = path.replace(/(?:\.[\w-]+|\["(?:[^"\\]|\\.)*"\]|\[\d+\]|^[\w-]+)$/, '');
  return outer === path ? '' : outer;
};

/** One label by its name, several by their containers. */
function whereOf(origin: Labels): string {
  const names = [...new Set(origin.map((one) => one.container))];
  const containers = `container${names.length > 1 ? 's' : ''} ${names.map(shown).join(', ')}`;
  return origin.length === 1 ? `${containers}, label ${shown(origin[0]!.label)}` : containers;
}

/** Where the label's value stands in the document: the older spellings are the newer ones, and numbers of a list are places in it. */
function pathOf(root: MapNode, steps: Steps): string {
  let node: TreeNode | undefined = root;
  let path = '';
  for (const [i, step] of steps.entries()) {
    if (typeof step === 'number') {
      const at: number = node?.kind === 'list' ? (node as NumberedList).numbers.indexOf(step) : step;
      node = node?.kind === 'list' ? node.items[at] : undefined;
      path += `[${at}]`;
    } else {
      const key: string = i === 0 ? (SPELLINGS.find(([old]) => old === step)?.[1] ?? step) : step;
      node = node?.kind === 'map' ? node.entries.find((entry) => entry.key === key)?.value : undefined;
      path = below(path, key);
    }
  }
  return path;
}

/** The way to a value: keys of maps and numbers of lists. */
type Steps = readonly (string | number)[];

/** A list with the number that labels give each of its items, in their order. */
type NumberedList = ListNode & { numbers: number[] };

/** Puts one label into the tree. @returns the way to its value; undefined when it is wrong */
function place(root: MapNode, label: string, container: LabelledContainer, problems: Problems): Steps | undefined {
  const where = `container ${shown(container.name)}, label ${shown(label)}`;
  const parts = label.slice(PREFIX.length).split('.');
  const [section = '', ...rest] = parts;
  if (!SECTION_NAMES.includes(section) && section !== 'public-policies') {
    const meant = nearest(section, SECTION_NAMES);
    return void problems.add(
      '',
      `${where}: ${shown(section)} is not known here${meant ? `; did you mean ${shown(meant)}?` : ''}`,
      -1,
    );
  }
  if (rest.length < 2 || parts.length > MAX_PARTS)
    return void problems.add('', `${where}: expected pangolin.${section}.<name>.<field>`, -1);
  const steps: (string | number)[] = [];
  for (const part of parts) {
    const match = /^([^[\]]+)(?:\[(\d{1,9})\])?$/.exec(part);
    const index = match?.[2] === undefined ? undefined : Number(match[2]);
    if (!match || (index !== undefined && index > MAX_INDEX)) {
      return void problems.add(
        '',
        `${where}: ${shown(part)} is not understood: write name or name[0], at most name[${MAX_INDEX}]`,
        -1,
      );
    }
    steps.push(match[1] ?? '', ...(index === undefined ? [] : [index]));
  }
  const value = container.labels[label] ?? '';
  if (!put(root, steps, { kind: 'scalar', at: -1, value, source: value, loose: true }))
    return void problems.add('', `${where}: another label says that this is something else`, -1);
  return steps;
}

/** @returns false when something on the way is of another kind */
function put(root: MapNode, steps: Steps, leaf: ScalarNode): boolean {
  let at: TreeNode = root;
  for (const [i, step] of steps.entries()) {
    const last = i === steps.length - 1;
    const next: TreeNode = last ? leaf : typeof steps[i + 1] === 'number' ? emptyList() : emptyMap();
    const child = childAt(at, step, next);
    if (!child || child.kind !== next.kind || (last && child !== leaf)) return false;
    at = child;
  }
  return true;
}

/** The child at a step, made when it is not there; undefined when there cannot be one. */
function childAt(parent: TreeNode, step: string | number, made: TreeNode): TreeNode | undefined {
  if (typeof step === 'number') {
    return parent.kind === 'list' ? itemAt(parent as NumberedList, step, made) : undefined;
  }
  if (parent.kind !== 'map') return undefined;
  const entry = parent.entries.find((one) => one.key === step);
  if (entry) return entry.value;
  parent.entries.push({ key: step, keyAt: -1, value: made });
  return made;
}

/** The item with the number; `made`, at its place in the order, when there is none. */
function itemAt({ items, numbers }: NumberedList, number: number, made: TreeNode): TreeNode {
  const known = numbers.indexOf(number);
  if (known >= 0) return items[known]!;
  const next = numbers.findIndex((one) => one > number);
  const at = next < 0 ? items.length : next;
  items.splice(at, 0, made);
  numbers.splice(at, 0, number);
  return made;
}

/** Which container a target is, unless its labels say so. */
function completeTargets(root: MapNode, container: LabelledContainer): void {
  const hostname = container.name || container.hostname;
  const port = container.ports[0];
  for (const section of root.entries) {
    if (!['public-resources', 'proxy-resources'].includes(section.key) || section.value.kind !== 'map') continue;
    for (const { value: resource } of section.value.entries) {
      const targets =
        resource.kind === 'map' ? resource.entries.find((one) => one.key === 'targets')?.value : undefined;
      if (targets?.kind !== 'list') continue;
      for (const target of targets.items) {
        if (target.kind !== 'map' || target.entries.length === 0) continue;
        if (hostname) put(target, ['hostname'], loose(hostname));
        if (port !== undefined) put(target, ['port'], loose(String(port)));
      }
    }
  }
}

/** Lays what stands under the newer name of a section over what stands under the older one: labels are put together field by field. */
function respell(root: MapNode, old: string, now: string): void {
  const older = root.entries.find((one) => one.key === old);
  if (!older) return;
  const newer = root.entries.find((one) => one.key === now);
  root.entries = root.entries.filter((one) => one !== newer);
  older.key = now;
  if (newer) older.value = merged(older.value, newer.value);
}

/** Lays one tree over another: maps by key, lists by number, and for the rest the later one wins. */
function merge(into: MapNode, from: MapNode): void {
  for (const { key, value } of from.entries) {
    const entry = into.entries.find((one) => one.key === key);
    if (!entry) into.entries.push({ key, keyAt: -1, value });
    else entry.value = merged(entry.value, value);
  }
}

function merged(before: TreeNode, later: TreeNode): TreeNode {
  if (before.kind === 'map' && later.kind === 'map') {
    merge(before, later);
    return before;
  }
  if (before.kind === 'list' && later.kind === 'list') {
    const list = before as NumberedList;
    for (const [i, number] of (later as NumberedList).numbers.entries()) {
      const item = later.items[i]!;
      const there = itemAt(list, number, item);
      if (there !== item) list.items[list.numbers.indexOf(number)] = merged(there, item);
    }
    return list;
  }
  return later;
}

const emptyMap = (): MapNode => ({ kind: 'map', at: -1, entries: [] });
const emptyList = (): NumberedList => ({ kind: 'list', at: -1, items: [], numbers: [] });
const loose = (value: string): ScalarNode => ({ kind: 'scalar', at: -1, value, source: value, loose: true });
