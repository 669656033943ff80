import { type Api } from '../api.js';
import { type FixtureOrg } from '../fixture-org.js';

/** A request that is right for its fixture. */
export interface Call {
  /** Path parameters beside `orgId`. */
  params?: Record<string, string | number>;
  query?: Record<string, string | number | boolean>;
  body?: Record<string, unknown>;
  /** Of an operation whose body is no JSON. */
  text?: string;
  /** Who asks, when it must be somebody else than `by` says. */
  api?: Api;
  /** The audit's target, when neither path nor answer hold it. */
  target?: string | number | (() => Promise<string | number>);
  /** Likewise the audit's actor. */
  actor?: string;
}

/** How one operation is called for real. */
export interface Operation {
  /** Who may: an organization's API key (and its Admin), its Admin alone, the root key, a logged-in user, a site, anybody. */
  by: 'key' | 'admin' | 'root' | 'user' | 'site' | 'anybody';
  call: (fixture: FixtureOrg) => Call | Promise<Call>;
  /** Further right calls, of fields that exclude those of the first. */
  others?: ((fixture: FixtureOrg) => Call | Promise<Call>)[];
  /** What the audit says of it: action, type of the target, and the name of the target's id in path or answer. */
  audit?: [action: string, targetType: string, id?: string];
  /** What every request of it says beside its credential, whoever sends it. */
  headers?: Record<string, string>;
  /** Whoever may not is answered 401, whatever they present (docs/credentials.md §6). */
  refusesAlike?: true;
  /** Of one that cannot succeed yet: what a right call of it is answered. */
  answers?: number;
}

export const PAGE = { limit: 10, offset: 0 };

export const read = (by: Operation['by'], call: Operation['call'] = () => ({})): Operation => ({ by, call });

export const list = (by: Operation['by'], query: Call['query'] = {}): Operation => ({
  by,
  call: () => ({ query: { ...PAGE, ...query } }),
});

export async function approvedSite(fixture: FixtureOrg): Promise<Call> {
  return { params: { siteId: (await fixture.site('approved')).siteId } };
}
