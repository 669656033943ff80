import { Badge, Text } from '@mantine/core';
import { t } from '@texts/logs';
import { PageLink } from '@/kit/page-link';
import type { FilterField } from '@/list/filter-box';
import { filtersOf, type ListSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const valuesOf = (texts: Record<string, string>) =>
  Object.entries(texts).map(([value, label]) => ({ value, label }));

/**
 * Fields of a log's filter box.
 * @param known values that are always the same
 * @param resources and `lists`: what the log itself says that it may be filtered by
 */
export function logFields(
  texts: Record<string, string>,
  known: Record<string, FilterField['values']>,
  resources: readonly { id: number; name: string | null }[] = [],
  lists: Record<string, readonly string[] | undefined> = {},
): FilterField[] {
  const values: Record<string, FilterField['values']> = {
    ...known,
    resourceId: resources.map(({ id, name }) => ({ value: String(id), label: name ?? t.requests.gone(id) })),
  };
  return Object.entries(texts).map(([key, label]) => ({
    key,
    label,
    values: values[key] ?? lists[key]?.map((value) => ({ value })),
    isId: key === 'resourceId',
  }));
}

/** What both logs are asked for, of an address. */
export function logQueryOf(search: ListSearch) {
  const of = (field: string): string | undefined =>
    filtersOf(search).find((one) => one.field === field && !one.negated)?.value;
  const number = (field: string): number | undefined => (of(field) === undefined ? undefined : Number(of(field)));
  const action = of('action');
  return {
    of,
    number,
    common: {
      query: search.q,
      // What is neither is the API's to refuse.
      action: action === undefined ? undefined : ({ true: true, false: false }[action] ?? (action as never)),
      resourceId: number('resourceId'),
      actor: of('actor'),
      location: of('location'),
      ip: of('ip'),
      requestId: of('requestId'),
      timeStart: of('from'),
      timeEnd: of('to'),
    },
  };
}

/** Whether somebody was let in. */
export const ActionBadge = ({ action, texts }: { action: boolean; texts: { true: string; false: string } }) => (
  <Badge variant="outline" color={action ? 'gray' : 'orange'} tt="none" fw={400}>
    {texts[`${action}`]}
  </Badge>
);

/** What a resource is called, as a link to it for who may open it. */
export function ResourceName({ org, id, name }: { org: string; id: number; name: string | null }) {
  const may = useMay(org);
  if (name === null)
    return (
      <Text size="sm" c="dimmed" span>
        {t.requests.gone(id)}
      </Text>
    );
  if (!may('getResource')) return name;
  return (
    <PageLink to="/org/$org/resources/public/$resource" params={{ org, resource: String(id) }}>
      {name}
    </PageLink>
  );
}
