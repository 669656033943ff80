import type { MapNode, ListNode, ScalarNode, TreeNode } from './node.js';
import { type Parsed, result } from './parse.js';
import { Problems, shown } from './problem.js';
import { readDocument, SECTION_NAMES } from './read-document.js';
import { nearest } from './nearest.js';

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
const MAX_INDEX = 255;
const MAX_PARTS = 12;

/**
 * The blueprint that the labels of containers describe: `pangolin.<section>.<key>.<path>`, dots between the parts, `name[3]` an item of
 * a list (integration-api.md §4.4). Containers are put together in the order of their names, the last one wins; a target without a
 * hostname is its container, without a port its container's first. A label has no type: it becomes what the schema wants.
 */
export function fromDockerLabels(containers: readonly LabelledContainer[]): Parsed {
  const problems = new Problems();
  const root = emptyMap();
  for (const container of [...containers].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))) {
    const own = emptyMap();
    for (const label of Object.keys(container.labels).sort()) {
      if (label.startsWith(PREFIX)) place(own, label, container, problems);
    }
    completeTargets(own, container);
    merge(root, own);
  }
  return result(readDocument(root, problems), problems);
}

/** Puts one label into the tree. */
function place(root: MapNode, label: string, container: LabelledContainer, problems: Problems): void {
  const where = `container ${shown(container.name)}, label ${shown(label)}`;
  const parts = label.slice(PREFIX.length).split('.');
  const [section = '', ...rest] = parts;
  if (!SECTION_NAMES.includes(section) && section !== 'public-policies') {
    const meant = nearest(section, SECTION_NAMES);
    return problems.add('', `${where}: ${shown(section)} is not known here${meant ? `; did you mean ${shown(meant)}?` : ''}`, -1);
  }
  if (rest.length < 2 || parts.length > MAX_PARTS) return problems.add('', `${where}: expected pangolin.${section}.<name>.<field>`, -1);
  const steps: (string | number)[] = [];
  for (const part of parts) {
    const match = /^([^[\]]+)(?:\[(\d{1,9})\])?$/.exec(part);
    const index = match?.[2] === undefined ? undefined : Number(match[2]);
    if (!match || (index !== undefined && index > MAX_INDEX)) {
      return problems.add('', `${where}: ${shown(part)} is not understood: write name or name[0], at most name[${MAX_INDEX}]`, -1);
    }
    steps.push(match[1] ?? '', ...(index === undefined ? [] : [index]));
  }
  const value = container.labels[label] ?? '';
  if (!put(root, steps, { kind: 'scalar', at: -1, value, source: value, loose: true })) problems.add('', `${where}: another label says that this is something else`, -1);
}

/** @returns false when something on the way is of another kind */
function put(root: MapNode, steps: readonly (string | number)[], leaf: ScalarNode): boolean {
  let at: TreeNode = root;
  for (const [i, step] of steps.entries()) {
    const last = i === steps.length - 1;
    const next: TreeNode = last ? leaf : typeof steps[i + 1] === 'number' ? { kind: 'list', at: -1, items: [] } : emptyMap();
    const child = childAt(at, step, next);
    if (!child || child.kind !== next.kind || (last && child !== leaf)) return false;
    at = child;
  }
  return true;
}

/** The child at a step, made when it is not there; undefined when there cannot be one. */
function childAt(parent: TreeNode, step: string | number, made: TreeNode): TreeNode | undefined {
  if (typeof step === 'number') {
    if (parent.kind !== 'list') return undefined;
    while (parent.items.length < step) parent.items.push(nothing());
    const there = parent.items[step];
    if (there && !(there.kind === 'scalar' && there.value === null)) return there;
    parent.items[step] = made;
    return made;
  }
  if (parent.kind !== 'map') return undefined;
  const entry = parent.entries.find((one) => one.key === step);
  if (entry) return entry.value;
  parent.entries.push({ key: step, keyAt: -1, value: made });
  return made;
}

/** Which container a target is, unless its labels say so. */
function completeTargets(root: MapNode, container: LabelledContainer): void {
  const hostname = container.name || container.hostname;
  const port = container.ports[0];
  for (const section of root.entries) {
    if (!['public-resources', 'proxy-resources'].includes(section.key) || section.value.kind !== 'map') continue;
    for (const { value: resource } of section.value.entries) {
      const targets = resource.kind === 'map' ? resource.entries.find((one) => one.key === 'targets')?.value : undefined;
      if (targets?.kind !== 'list') continue;
      for (const target of targets.items) {
        if (target.kind !== 'map' || target.entries.length === 0) continue;
        if (hostname) put(target, ['hostname'], loose(hostname));
        if (port !== undefined) put(target, ['port'], loose(String(port)));
      }
    }
  }
}

/** Lays one tree over another: maps by key, lists by index, and for the rest the later one wins. */
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
  if (before.kind === 'list' && later.kind === 'list') return mergedList(before, later);
  return later.kind === 'scalar' && later.value === null ? before : later;
}

function mergedList(before: ListNode, later: ListNode): ListNode {
  const length = Math.max(before.items.length, later.items.length);
  return { ...before, items: Array.from({ length }, (_, i) => merged(before.items[i] ?? nothing(), later.items[i] ?? nothing())) };
}

const emptyMap = (): MapNode => ({ kind: 'map', at: -1, entries: [] });
const nothing = (): ScalarNode => ({ kind: 'scalar', at: -1, value: null, source: '' });
const loose = (value: string): ScalarNode => ({ kind: 'scalar', at: -1, value, source: value, loose: true });
