import { keepPreviousData, MutationCache, QueryClient } from '@tanstack/react-query';
import { isProblem } from './problem';

const RETRY_MS = 2000;

/** What pages read is kept for half an hour, so that Back shows the same rows at once; events say what is to be read again. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      gcTime: 30 * 60_000,
      placeholderData: keepPreviousData,
      networkMode: 'always',
      // What passes is asked again until it has passed; what was refused is refused again.
      retry: (_count, error) => isProblem(error) && error.isPassing,
      retryDelay: (_count, error) => (isProblem(error) ? (error.retryAfterSeconds ?? 0) * 1000 : 0) || RETRY_MS,
    },
    mutations: { networkMode: 'always', retry: false },
  },
  mutationCache: new MutationCache(),
});
