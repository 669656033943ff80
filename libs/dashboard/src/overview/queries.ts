import { useQueries } from '@tanstack/react-query';
import { $api } from '@/api/client';
import type { components } from '@/api/types';

export type Stats = components['schemas']['StatsView'];
export type Metric = Stats['metric'];
export type Bucket = Stats['bucket'];

/** A number over time; without bounds the last 24 hours, or 30 days of days. */
export const statsQuery = (
  orgId: string,
  metric: Metric,
  bucket: Bucket,
  between: { from?: string; to?: string } = {},
) =>
  $api.queryOptions('get', '/org/{orgId}/stats', {
    params: { path: { orgId }, query: { metric, bucket, ...between } },
  });

const HOUR = 3_600_000;
/** What tells that something went wrong, or came right again. */
const TROUBLE = ['refusals', 'disconnects', 'connects'] as const;

const lastOf = (all: (Stats | undefined)[]): number | undefined => {
  const times = all.flatMap((one) => one?.points.filter(({ value }) => value).map(({ at }) => Date.parse(at)) ?? []);
  return times.length > 0 ? Math.max(...times) : undefined;
};

/**
 * Since when nothing was refused, came or went: to the minute, asked for within the last hour of the day in which something did.
 * @returns undefined until it is known, and null where nothing happened for a day
 */
export function useQuietSince(orgId: string, isQuiet: boolean): Date | null | undefined {
  const hours = useQueries({
    queries: TROUBLE.map((metric) => ({ ...statsQuery(orgId, metric, 'hour'), enabled: isQuiet })),
  }).map(({ data }) => data);
  const hour = lastOf(hours);
  const within =
    hour === undefined ? {} : { from: new Date(hour).toISOString(), to: new Date(hour + HOUR).toISOString() };
  const minutes = useQueries({
    queries: TROUBLE.map((metric) => ({
      ...statsQuery(orgId, metric, 'minute', within),
      enabled: isQuiet && hour !== undefined,
    })),
  }).map(({ data }) => data);
  if (hours.includes(undefined)) return undefined;
  if (hour === undefined) return null;
  return minutes.includes(undefined) ? undefined : new Date(lastOf(minutes) ?? hour);
}
