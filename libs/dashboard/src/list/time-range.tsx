import '@mantine/dates/styles.layer.css';
import { Group } from '@mantine/core';
import { DateTimePicker } from '@mantine/dates';
import { t } from '@texts/logs';
import { ZONE_NAME } from '@/kit/formats';
import { instantOf, localOf } from '@/provisioning/until-field';
import { filtersOf, type ListSearch, withFilters } from './search';

const BOUNDS = ['from', 'to'] as const;

/** From when until when: the filters `from` and `to` of an address, which are instants, chosen in local time. */
export function TimeRange({ search, onChange }: { search: ListSearch; onChange: (search: ListSearch) => void }) {
  const filters = filtersOf(search);
  return (
    <Group gap="xs" wrap="nowrap">
      {BOUNDS.map((bound) => {
        const value = filters.find(({ field }) => field === bound)?.value;
        const label = `${t[bound]} (${t.zone(ZONE_NAME)})`;
        return (
          <DateTimePicker
            key={bound}
            aria-label={label}
            placeholder={t[bound]}
            title={label}
            valueFormat="YYYY-MM-DD HH:mm"
            clearable
            clearButtonProps={{ 'aria-label': t.clear(t[bound]) }}
            miw={150}
            value={value === undefined || Number.isNaN(Date.parse(value)) ? null : localOf(value)}
            onChange={(chosen) => {
              const instant = instantOf(chosen);
              const others = filters.filter(({ field }) => field !== bound);
              onChange(
                withFilters(
                  search,
                  instant === null ? others : [...others, { field: bound, value: instant, negated: false }],
                ),
              );
            }}
          />
        );
      })}
    </Group>
  );
}
