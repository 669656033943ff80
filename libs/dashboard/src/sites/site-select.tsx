import { MultiSelect, Select } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { $api } from '@/api/client';
import { useMay } from '@/session/session';

export interface SiteOption {
  value: string;
  label: string;
}

const SHOWN = 20;

/** Sites that a search finds, and those that were chosen already: their names are known whatever is searched for. */
function useSiteOptions(org: string, known: readonly SiteOption[]) {
  const may = useMay(org);
  const [text, search] = useState('');
  const [query] = useDebouncedValue(text, 250);
  const [seen, setSeen] = useState<readonly SiteOption[]>([]);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/sites', {
      params: { path: { orgId: org }, query: { query: query || undefined, pageSize: SHOWN } },
    }),
    enabled: may('listSites'),
  });
  const found = data?.sites.map(({ siteId, name }) => ({ value: String(siteId), label: name })) ?? [];
  const options = [...new Map([...known, ...seen, ...found].map((option) => [option.value, option])).values()];
  const keep = (values: string[]) => setSeen(options.filter(({ value }) => values.includes(value)));
  return { search, options, keep };
}

interface SiteSelectProps<Value> {
  org: string;
  label: string;
  description?: string;
  /** Those that are chosen already, with their names. */
  known?: readonly SiteOption[];
  defaultValue?: Value;
  onChange?: (value: Value) => void;
  error?: ReactNode;
}

/** One site, found by what its list is searched by. The value is its id, as text. */
export function SiteSelect({ org, known = [], onChange, ...props }: SiteSelectProps<string | null>) {
  const { search, options, keep } = useSiteOptions(org, known);
  return (
    <Select
      searchable
      data={options}
      // The server has searched.
      filter={({ options: all }) => all}
      onSearchChange={search}
      onChange={(value) => {
        keep(value === null ? [] : [value]);
        onChange?.(value);
      }}
      {...props}
    />
  );
}

/** Several sites likewise. */
export function SitesSelect({ org, known = [], onChange, ...props }: SiteSelectProps<string[]>) {
  const { search, options, keep } = useSiteOptions(org, known);
  return (
    <MultiSelect
      searchable
      data={options}
      filter={({ options: all }) => all}
      onSearchChange={search}
      onChange={(values) => {
        keep(values);
        onChange?.(values);
      }}
      {...props}
    />
  );
}
