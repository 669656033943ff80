import { NICE_ID_RULE, readText } from '#contracts';
import { below, Fields, isNull, kindName, type Problems, shown, type TreeNode } from '#document';
import type { Blueprint, PrivateEntry, PublicEntry, PublicResource } from './model.js';
import { readPrivate, readSite } from './read-private.js';
import { readPublic } from './read-public.js';

const SECTIONS = {
  'public-resources': 'public',
  'proxy-resources': 'public',
  'private-resources': 'private',
  'client-resources': 'private',
  sites: 'sites',
} as const;
/** The newer spelling wins over the older one on equal keys. */
const OLD = ['proxy-resources', 'client-resources'];
/** The older spellings, by what a model's paths call them. */
export const SECTION_ALIASES: ReadonlyMap<string, string> = new Map([
  ['proxy-resources', 'public-resources'],
  ['client-resources', 'private-resources'],
]);
/** What stands at the top of a document. */
export const SECTION_NAMES: readonly string[] = Object.keys(SECTIONS);

type Section = (typeof SECTIONS)[keyof typeof SECTIONS];
type Found = { entries: { key: string; fields: Fields; path: string; at: number }[] };

/** The tree as a model; `operators`: an operator's. What is missing or wrong is reported; the model only counts when there are no problems. */
export function readDocument(root: TreeNode, problems: Problems, operators = false): Blueprint {
  const model: Blueprint = { sites: [], publicResources: [], privateResources: [] };
  if (isNull(root)) {
    problems.add('', 'the document is empty; {} is a blueprint without anything', root.at);
    return model;
  }
  if (root.kind !== 'map') {
    problems.add('', `a blueprint must be a map, not ${kindName(root)}`, root.at);
    return model;
  }
  const top = new Fields(root, '', problems);
  const found: Record<Section, Found> = { public: { entries: [] }, private: { entries: [] }, sites: { entries: [] } };
  for (const { key: name } of root.entries) {
    const section = Object.hasOwn(SECTIONS, name) ? (SECTIONS[name as keyof typeof SECTIONS] as Section) : undefined;
    const map = section && top.map(name);
    if (map) collect(found[section], map, OLD.includes(name));
  }
  top.know(...SECTION_NAMES);
  top.notYet('public-policies', ': write the settings into each resource');
  top.done();
  model.sites = found.sites.entries.map(({ key, fields }) => readSite(key, fields));
  model.publicResources = found.public.entries.map(({ key, fields }) => readPublic(key, fields, operators));
  model.privateResources = found.private.entries.map(({ key, fields }) => readPrivate(key, fields));
  checkPublic(found.public, model.publicResources);
  checkPrivate(found.private, model.privateResources);
  return model;
}

function collect(found: Found, section: Fields, old: boolean): void {
  for (const { key, keyAt, value } of section.node.entries) {
    const path = below(section.path, key);
    const { problems } = section;
    const niceId = readText(key, NICE_ID_RULE);
    if ('problem' in niceId) {
      problems.add(path, `a niceId ${niceId.problem}`, keyAt);
      continue;
    }
    if (value.kind !== 'map') {
      problems.add(path, `must be a map, not ${kindName(value)}`, isNull(value) ? keyAt : value.at);
      continue;
    }
    const entry = { key: niceId.value!, fields: new Fields(value, path, problems), path, at: keyAt };
    const same = found.entries.findIndex((one) => one.key === entry.key);
    if (same < 0) found.entries.push(entry);
    else if (!old) found.entries[same] = entry;
  }
}

function checkPublic({ entries }: Found, resources: readonly PublicEntry[]): void {
  const check = unique(entries, 'full-domain');
  const port = unique(entries, 'proxy-port');
  const named = new Map(
    resources.flatMap((resource, i) =>
      resource.targetsOnly || resource.fullDomain === null ? [] : [[resource.fullDomain, entries[i]?.path] as const],
    ),
  );
  resources.forEach((resource, i) => {
    if (resource.targetsOnly) return;
    check(i, resource.fullDomain, resource.fullDomain ?? '');
    const wildcard = resource.fullDomain?.replace(/^[^.]+/, '*') ?? '';
    const by = resource.fullDomain === wildcard ? undefined : named.get(wildcard);
    if (by)
      entries[i]?.fields.wrong('full-domain', `${shown(resource.fullDomain!)} is covered by the wildcard of ${by}`);
    if (resource.proxyPort !== null && portIsGiven(resource))
      port(i, `${resource.mode} ${resource.proxyPort}`, `${resource.mode} port ${resource.proxyPort}`);
  });
}

function portIsGiven(resource: PublicResource): boolean {
  return resource.mode !== 'http';
}

function checkPrivate({ entries }: Found, resources: readonly PrivateEntry[]): void {
  const domain = unique(entries, 'full-domain');
  const alias = unique(entries, 'alias');
  resources.forEach((resource, i) => {
    domain(i, resource.fullDomain, resource.fullDomain ?? '');
    alias(i, resource.alias, resource.alias ?? '');
  });
}

/** Reports the second of two entries that claim the same thing. */
function unique(entries: Found['entries'], key: string): (index: number, value: string | null, name: string) => void {
  const first = new Map<string, string>();
  return (index, value, name) => {
    const entry = entries[index];
    if (value === null || !entry) return;
    const before = first.get(value);
    if (before === undefined) first.set(value, entry.path);
    else entry.fields.wrong(key, `${shown(name)} is taken by ${before}`);
  };
}
