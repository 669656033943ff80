import type { components } from '@/api/types';
import { filtersOf, type ListSearch } from '../list/search';

export type SiteFilter = components['schemas']['SiteFilter'];

type Parameter = keyof SiteFilter;

/** How a filter of the address is asked for: the parameter of the API, the one of its negation, and how its value is read. */
interface Asked {
  is: Parameter;
  not?: Parameter;
  read?: (value: string) => unknown;
  /** The API takes several. */
  list?: true;
}

const number = (value: string): unknown => (/^\d{1,15}$/.test(value) ? Number(value) : value);
const YES_NO: Record<string, boolean> = { yes: true, no: false };
/** What is neither is for the API to refuse. */
const yesNo = (value: string): unknown => YES_NO[value] ?? value;

const UNITS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Ages are counted from the last full ten minutes: what is read within these is read once. */
const STEP_MS = 600_000;

/** An instant, or one so long ago (`sign` -1) or ahead: `24h`, `7d`. */
function instant(value: string, sign: 1 | -1, now: number): string {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(value) ?? [];
  if (count === undefined) return value;
  return new Date(Math.floor(now / STEP_MS) * STEP_MS + sign * Number(count) * UNITS[unit!]!).toISOString();
}
const ago = (value: string) => instant(value, -1, Date.now());
const ahead = (value: string) => instant(value, 1, Date.now());

/** Every filter of sites that the API has, by its key in the address. */
export const ASKED = {
  state: { is: 'state' },
  group: { is: 'group', not: 'notGroup' },
  label: { is: 'label', not: 'notLabel', list: true },
  labelled: { is: 'labelled', read: yesNo },
  agentVersion: { is: 'agentVersion', not: 'notAgentVersion' },
  key: { is: 'keyId' },
  generation: { is: 'generation', read: number },
  profile: { is: 'profileId', read: number },
  template: { is: 'templateId', read: number },
  hardwareId: { is: 'hardwareId' },
  network: { is: 'network' },
  bundle: { is: 'bundleState' },
  odd: { is: 'odd', read: yesNo },
  oddity: { is: 'oddity' },
  seenBefore: { is: 'lastSeenBefore', read: ago },
  seenAfter: { is: 'lastSeenAfter', read: ago },
  createdBefore: { is: 'createdBefore', read: ago },
  createdAfter: { is: 'createdAfter', read: ago },
  credentialEndsBefore: { is: 'credentialExpiresBefore', read: ahead },
  online: { is: 'online', read: yesNo },
  status: { is: 'status' },
} as const satisfies Record<string, Asked>;

export type FilterKey = keyof typeof ASKED;

/** What the address says, as the API narrows sites by it: a list, its export, and an act on all that match ask alike. */
export function siteFilterOf(search: ListSearch): SiteFilter {
  const asked: Record<string, unknown> = search.q ? { query: search.q } : {};
  for (const { field, value, negated } of filtersOf(search)) {
    const { is, not, read, list }: Partial<Asked> = ASKED[field as FilterKey] ?? {};
    const parameter = negated ? not : is;
    if (parameter === undefined) continue;
    const said = read ? read(value) : value;
    if (list) asked[parameter] = [...((asked[parameter] as unknown[] | undefined) ?? []), said];
    else asked[parameter] ??= said;
  }
  return asked as SiteFilter;
}

/** How lists of sites can be sorted, as the API calls it. */
const SORTS = ['name', 'state', 'agentVersion', 'lastSeenAt', 'createdAt', 'megabytesIn', 'megabytesOut'] as const;

export function siteOrderOf({ sort }: ListSearch) {
  const sort_by = SORTS.find((one) => one === sort?.replace(/^-/, ''));
  return sort_by && { sort_by, order: sort!.startsWith('-') ? ('desc' as const) : ('asc' as const) };
}
