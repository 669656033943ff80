import { CloseButton, Combobox, Pill, PillsInput, Text, useCombobox } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { t } from '@texts/common';
import { useEffect, useState } from 'react';
import {
  addFilters,
  type Filter,
  filtersOf,
  type ListSearch,
  parseFilter,
  parseTyped,
  withFilters,
  writeFilter,
} from './search';

export interface FilterField {
  /** As it is written: `state` of `state:offline`. The API takes it by the same name, or the page translates it. */
  key: string;
  /** What it is, in a suggestion. */
  label: string;
  /** Values to choose from; with texts beside them. */
  values?: readonly { value: string; label?: string }[];
  /** Its values are ids, which say nothing: a filter shows their texts, where they are known. */
  isId?: boolean;
  /** Whether `!key:value` has a meaning. */
  negatable?: boolean;
  /** Whether it may be there several times; otherwise the last one counts. */
  repeatable?: boolean;
}

const WAIT_MS = 250;
const SHOWN = 12;

/** One box: words are searched, `field:value` filters, with suggestions. What it says is the address. */
export function FilterBox({
  search,
  fields,
  onChange,
  label,
}: {
  search: ListSearch;
  fields: readonly FilterField[];
  onChange: (search: ListSearch, replace: boolean) => void;
  label: string;
}) {
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const filters = filtersOf(search);
  const [text, setText] = useState(search.q ?? '');
  const keys = fields.map(({ key }) => key);
  // The address may change by Back, or by a link.
  useEffect(() => setText(search.q ?? ''), [search.q]);
  const searchFor = useDebouncedCallback(
    (q: string) => onChange(withFilters(search, filters, q.trim()), true),
    WAIT_MS,
  );

  const type = (typed: string) => {
    setText(typed);
    combobox.openDropdown();
    combobox.updateSelectedOptionIndex();
    // A filter that is being written is no word to search for.
    if (!fields.some(({ key }) => new RegExp(`(^|\\s)!?${key}:`).test(typed))) searchFor(typed);
  };
  const add = (added: readonly Filter[], q: string) => {
    searchFor.cancel();
    setText(q);
    const repeatable = fields.filter((field) => field.repeatable).map(({ key }) => key);
    onChange(withFilters(search, addFilters(filters, added, repeatable), q), false);
  };
  /** A suggestion, which may be the beginning of a filter. */
  const take = (suggested: string) => {
    const filter = parseFilter(suggested, keys);
    if (!filter) return setText(suggested);
    combobox.closeDropdown();
    add([filter], '');
  };
  const submit = (typed: string) => {
    // A field without its value goes on; anything else is an answer that the suggestions must not cover.
    if (keys.some((key) => typed === `${key}:` || typed === `!${key}:`)) return;
    combobox.closeDropdown();
    const { filters: written, q } = parseTyped(typed, keys);
    const known = ({ field, negated }: Filter) =>
      !negated || fields.some(({ key, negatable }) => key === field && negatable);
    // What has no meaning is not taken for a filter; it stays in sight, as what was searched for.
    add(written.filter(known), [...written.filter((one) => !known(one)).map(writeFilter), q].join(' ').trim());
  };
  const remove = (gone: Filter) =>
    onChange(
      withFilters(
        search,
        filters.filter((one) => one !== gone),
      ),
      false,
    );
  const suggestions = suggestionsFor(text, fields);

  return (
    <Combobox store={combobox} onOptionSubmit={take} withinPortal={false}>
      <Combobox.DropdownTarget>
        <PillsInput
          leftSection={<IconSearch size={16} />}
          onClick={() => combobox.openDropdown()}
          rightSection={
            (filters.length > 0 || text !== '') && (
              <CloseButton
                size="sm"
                aria-label={t.clearFilters}
                onMouseDown={(event) => event.preventDefault()}
                onClick={() => {
                  setText('');
                  onChange(withFilters(search, [], ''), false);
                }}
              />
            )
          }
        >
          <Pill.Group>
            {filters.map((filter) => (
              <Pill
                key={writeFilter(filter)}
                withRemoveButton
                onRemove={() => remove(filter)}
                removeButtonProps={{
                  'aria-label': t.removeFilter(writeFilter(filter)),
                  'aria-hidden': false,
                  tabIndex: 0,
                }}
              >
                {writeFilter(withName(filter, fields))}
              </Pill>
            ))}
            <Combobox.EventsTarget>
              <PillsInput.Field
                aria-label={label}
                placeholder={filters.length === 0 ? t.filterHint : undefined}
                value={text}
                onChange={(event) => type(event.currentTarget.value)}
                onFocus={() => combobox.openDropdown()}
                onBlur={() => combobox.closeDropdown()}
                onKeyDown={(event) => {
                  if (event.key === 'Backspace' && text === '' && filters.length > 0) remove(filters.at(-1)!);
                  else if (event.key === 'Enter' && combobox.getSelectedOptionIndex() === -1) submit(text);
                }}
              />
            </Combobox.EventsTarget>
          </Pill.Group>
        </PillsInput>
      </Combobox.DropdownTarget>
      <Combobox.Dropdown hidden={suggestions.length === 0}>
        <Combobox.Options aria-label={label}>
          {suggestions.map(({ write, hint }) => (
            <Combobox.Option key={write} value={write}>
              <Text span size="sm" ff="monospace">
                {write}
              </Text>{' '}
              {hint && (
                <Text span size="sm" c="dimmed">
                  {hint}
                </Text>
              )}
            </Combobox.Option>
          ))}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}

function withName(filter: Filter, fields: readonly FilterField[]): Filter {
  const field = fields.find(({ key, isId }) => isId && key === filter.field);
  return { ...filter, value: field?.values?.find(({ value }) => value === filter.value)?.label ?? filter.value };
}

interface Suggestion {
  write: string;
  hint?: string;
}

/** Fields that begin like what was typed; once a field is there, its values. */
export function suggestionsFor(text: string, fields: readonly FilterField[]): Suggestion[] {
  const [, not, field, value] = /^(!?)([a-zA-Z]*)(?::(.*))?$/.exec(text) ?? [];
  if (field === undefined) return [];
  if (value === undefined)
    return fields
      .filter(({ key, negatable }) => key.toLowerCase().startsWith(field.toLowerCase()) && (not === '' || negatable))
      .map(({ key, label }) => ({ write: `${not}${key}:`, hint: label }));
  const values = fields.find(({ key }) => key === field)?.values ?? [];
  const wanted = value.toLowerCase();
  return values
    .filter((one) => `${one.value} ${one.label ?? ''}`.toLowerCase().includes(wanted))
    .slice(0, SHOWN)
    .map((one) => ({ write: `${not}${field}:${one.value}`, hint: one.label }));
}
