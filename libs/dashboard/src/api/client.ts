import createFetchClient from 'openapi-fetch';
import createQueryClient from 'openapi-react-query';
import { ApiProblem, problemOf } from './problem';
import { reachability } from './reachability';
import type { ApiPaths } from './types';

/** What asks beside the page itself hears of it: the session (src/session/session.ts). */
export const onUnauthenticated = new Set<() => void>();

const BASE = '/api/v1';

/**
 * The API, by its own document: `api.POST('/org/{orgId}/…', {params, body})` answers `{data}`, out of the envelope, or throws an `ApiProblem`.
 * In components use `$api`, whose queries are cached and told of changes (src/events).
 */
export const api = createFetchClient<ApiPaths>({
  baseUrl: BASE,
  headers: { 'X-CSRF-Token': 'x-csrf-protection', Accept: 'application/json' },
  // Repeated, as the API reads lists: `label=a=b&label=c=d`.
  querySerializer: { array: { style: 'form', explode: true } },
  fetch: async (request) => {
    try {
      const response = await fetch(request);
      reachability.answered(response.status);
      return response;
    } catch (error) {
      if ((error as Error).name === 'AbortError') throw error;
      reachability.failed();
      throw new ApiProblem(0, 'unreachable', 'The server does not answer');
    }
  },
});

api.use({
  async onResponse({ response }) {
    if (!response.ok) {
      const problem = await problemOf(response);
      if (problem.code === 'unauthenticated') for (const told of onUnauthenticated) told();
      throw problem;
    }
    if (!response.headers.get('content-type')?.startsWith('application/json')) return undefined;
    const { data } = (await response.json()) as { data: unknown };
    const etag = response.headers.get('etag');
    const told = etag && isObject(data) ? { ...data, $etag: etag } : data;
    return new Response(JSON.stringify(told), {
      status: response.status,
      headers: { 'content-type': 'application/json' },
    });
  },
});

/** Query options and hooks over `api`: `useQuery($api.queryOptions('get', '/org/{orgId}/sites', {params: …}))`. */
export const $api = createQueryClient(api);

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
