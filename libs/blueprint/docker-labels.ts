import { nearest } from '#contracts';
import type { ListNode, MapNode, ScalarNode, TreeNode } from './node.js';
import { type Parsed, result } from './parse.js';
import { below, describeProblem, type Problem, Problems, shown } from './problem.js';
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

/**
 * The blueprint that the labels of containers describe: `pangolin.<section>.<key>.<path>`, dots between the parts, `name[3]` an item of
 * a list (docs/blueprints.md "Container labels"). Containers are put together in the order of their names, the last one wins; a target without a
 * hostname is its container, without a port its container's first. A label has no type: it becomes what the schema wants.
 */
export function fromDockerLabels(containers: readonly LabelledContainer[]): Parsed {
  return read([...containers].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))).parsed;
}

/**
 * The same without the containers whose labels are wrong: what such a container said when it was last right is taken instead.
 * @param before containers as they were last right; the ones that are right now are noted in it
 * @returns what is to be sent, and everything that is wrong, each problem with its containers and labels
 */
export function fromGoodLabels(
  containers: readonly LabelledContainer[],
  before: Map<string, LabelledContainer>,
): { parsed: Parsed; problems: Problem[] } {
  const problems: Problem[] = [];
  let taken = [...containers].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  for (;;) {
    const { parsed, wrong } = read(taken);
    problems.push(...parsed.problems);
    // Nothing but mistakes is no empty document, which would remove everything.
    if (taken.length === 0 && problems.length > 0)
      return { parsed: { ok: false, model: undefined, problems }, problems };
    if (parsed.ok || wrong.size === 0) {
      for (const one of taken) before.set(one.name, one);
      return { parsed, problems };
    }
    // One that is wrong as it was last right too, beside what others say now, is left out.
    taken = taken.flatMap((one) => {
      const earlier = before.get(one.name);
      return !wrong.has(one.name) ? [one] : earlier !== undefined && earlier !== one ? [earlier] : [];
    });
  }
}

/** `wrong`: names of the containers whose labels the problems come from. */
function read(containers: readonly LabelledContainer[]): { parsed: Parsed; wrong: Set<string> } {
  const problems = new Problems();
  const root = emptyMap();
  const labels: Labels = [];
  const wrong = new Set<string>();
  for (const container of containers) {
    const own = emptyMap();
    for (const label of Object.keys(container.labels).sort()) {
      if (!label.startsWith(PREFIX)) continue;
      const path = place(own, label, container, problems);
      if (path === undefined) wrong.add(container.name);
      else
        labels.push({
          container: container.name,
          label,
          path: SPELLINGS.reduce((at, [old, now]) => (at.startsWith(old) ? now + at.slice(old.length) : at), path),
        });
    }
    completeTargets(own, container);
    merge(root, own);
  }
  for (const [old, now] of SPELLINGS) respell(root, old, now);
  const ofLabels = problems.list();
  const schema = new Problems();
  const { problems: others, ...parsed } = result(readDocument(root, schema), schema);
  const named = others.map((problem) => {
    const origin = originOf(problem.path, labels);
    for (const one of origin) wrong.add(one.container);
    return origin.length === 0
      ? problem
      : { ...problem, path: '', message: `${whereOf(origin)}: ${describeProblem(problem)}` };
  });
  const all = [...ofLabels, ...named];
  return {
    parsed:
      all.length === 0 && parsed.ok ? { ...parsed, problems: [] } : { ok: false, model: undefined, problems: all },
    wrong,
  };
}

type Labels = { container: string; label: string; path: string }[];

/** The labels at a place of the document, of the last container where one label of several counts; else those of what it is in. */
function originOf(path: string, labels: Labels): Labels {
  const exact = labels.filter((one) => one.path === path).slice(-1);
  if (exact.length > 0) return exact;
  for (let at = path; at !== ''; at = at.replace(/(?:\.[\w-]+|\["(?:[^"\\]|\\.)*"\]|\[\d+\]|^[\w-]+)$/, '')) {
    const inside = labels.filter((one) => one.path.startsWith(at) && /^(?:[.[]|$)/.test(one.path.slice(at.length)));
    if (inside.length > 0) return inside;
    if (!/[.[]/.test(at)) break;
  }
  return [];
}

/** One label by its name, several by their containers. */
function whereOf(origin: Labels): string {
  const names = [...new Set(origin.map((one) => one.container))];
  const containers = `container${names.length > 1 ? 's' : ''} ${names.map(shown).join(', ')}`;
  return origin.length === 1 ? `${containers}, label ${shown(origin[0]!.label)}` : containers;
}

/** Puts one label into the tree. @returns its place in the document; undefined when it is wrong */
function place(root: MapNode, label: string, container: LabelledContainer, problems: Problems): string | undefined {
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
  return steps.reduce<string>((path, step) => (typeof step === 'number' ? `${path}[${step}]` : below(path, step)), '');
}

/** @returns false when something on the way is of another kind */
function put(root: MapNode, steps: readonly (string | number)[], leaf: ScalarNode): boolean {
  let at: TreeNode = root;
  for (const [i, step] of steps.entries()) {
    const last = i === steps.length - 1;
    const next: TreeNode = last
      ? leaf
      : typeof steps[i + 1] === 'number'
        ? { kind: 'list', at: -1, items: [] }
        : emptyMap();
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
  return {
    ...before,
    items: Array.from({ length }, (_, i) => merged(before.items[i] ?? nothing(), later.items[i] ?? nothing())),
  };
}

const emptyMap = (): MapNode => ({ kind: 'map', at: -1, entries: [] });
const nothing = (): ScalarNode => ({ kind: 'scalar', at: -1, value: null, source: '' });
const loose = (value: string): ScalarNode => ({ kind: 'scalar', at: -1, value, source: value, loose: true });
