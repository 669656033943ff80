import { queryOptions } from '@tanstack/react-query';
import { problemOf } from './problem';

/** What stands beside `/api/v1` has no envelope. A server that is not ready says so with 503, and why. */
export const besideApi = <T>(path: string) =>
  queryOptions({
    queryKey: ['beside', path],
    queryFn: async () => {
      const response = await fetch(path, { headers: { accept: 'application/json' } });
      if (!response.ok && response.status !== 503) throw await problemOf(response);
      return (await response.json()) as T;
    },
  });
