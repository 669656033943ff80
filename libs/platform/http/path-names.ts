const API = '/api/v1';

/**
 * Newer clients say `private-resource` for `site-resource` and `public-resource` for `resource`. One path has a name of its own for each kind: on
 * a site `resources` are private ones below an organization, and public ones without it.
 */
const SECOND_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^\/private-resource(?=\/|$)/, '/site-resource'],
  [/^\/public-resource(?=\/|$)/, '/resource'],
  [/^(\/org\/[^/]+)\/private-resource(s?)(?=\/|$)/, '$1/site-resource$2'],
  [/^(\/org\/[^/]+)\/public-resource(s|-names|)(?=\/|$)/, '$1/resource$2'],
  [/^(\/org\/[^/]+\/site\/[^/]+)\/private-resource(s\/?$|\/)/, '$1/resource$2'],
  [/^(\/org\/[^/]+\/site\/[^/]+)\/public-resource(?=\/?$)/, '$1/resource'],
  [/^(\/client\/[^/]+)\/private-resources(?=\/|$)/, '$1/site-resources'],
  [/^(\/site\/[^/]+)\/public-resources(?=\/|$)/, '$1/resources'],
];

/**
 * @returns the URL under which an operation is registered: `/v1` is `/api/v1` as integrators call it, and some paths have two names
 * (docs/integration-api.md §1.1).
 */
export function canonicalUrl(url: string): string {
  if (/^\/v1\/(docs|openapi\.)/.test(url)) return `/api/${url.slice('/v1/'.length)}`;
  const full = /^\/v1(?=[/?]|$)/.test(url) ? `/api${url}` : url;
  if (!full.startsWith(`${API}/`)) return full;
  const end = full.indexOf('?');
  const path = full.slice(API.length, end === -1 ? undefined : end);
  // Nearly no request has one: a search of the text is all that the others pay.
  if (!path.includes('private-resource') && !path.includes('public-resource')) return full;
  for (const [name, first] of SECOND_NAMES)
    if (name.test(path)) return API + path.replace(name, first) + (end === -1 ? '' : full.slice(end));
  return full;
}
