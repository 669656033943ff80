import { Checkbox, Fieldset, Group, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { t } from '@texts/access';
import { useState } from 'react';
import { formatNumber } from '@/kit/formats';
import { ACTIONS, type Action } from '../../../contracts/index.js';
import { ACTION_GROUPS } from './action-groups';

/**
 * Actions to choose from, by what they are about.
 * @param mayGive whether one holds it: the server refuses to give what one lacks, so that it is not offered. What is chosen already can be taken away
 */
export function ActionPicker({
  value,
  onChange,
  mayGive,
  readOnly,
  error,
}: {
  value: readonly Action[];
  onChange: (value: Action[]) => void;
  mayGive: (action: Action) => boolean;
  readOnly?: boolean;
  error?: React.ReactNode;
}) {
  const [wanted, setWanted] = useState('');
  const chosen = new Set<Action>(value);
  const write = (next: ReadonlySet<Action>) => onChange(ACTIONS.filter((action) => next.has(action)));
  const groups = ACTION_GROUPS.map(({ group, actions }) => ({
    group,
    actions: actions.filter((action) => action.toLowerCase().includes(wanted.trim().toLowerCase())),
  })).filter(({ actions }) => actions.length > 0);
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <TextInput
          leftSection={<IconSearch size={16} />}
          placeholder={t.picker.search}
          aria-label={t.picker.search}
          value={wanted}
          onChange={({ currentTarget }) => setWanted(currentTarget.value)}
          w={260}
        />
        <Text size="sm" c="dimmed" aria-live="polite">
          {t.picker.chosen(formatNumber(chosen.size), formatNumber(ACTIONS.length))}
        </Text>
      </Group>
      {error && (
        <Text size="sm" c="red" role="alert">
          {error}
        </Text>
      )}
      {groups.length === 0 && <Text c="dimmed">{t.picker.nothing}</Text>}
      {groups.map(({ group, actions }) => {
        const free = actions.filter((action) => chosen.has(action) || mayGive(action));
        const all = free.length > 0 && free.every((action) => chosen.has(action));
        return (
          <Fieldset key={group} legend={group} p="sm">
            {!readOnly && (
              <Checkbox
                mb="xs"
                size="sm"
                label={t.picker.allOf(group)}
                checked={all}
                indeterminate={!all && free.some((action) => chosen.has(action))}
                disabled={free.length === 0}
                onChange={() => {
                  const next = new Set(chosen);
                  for (const action of free)
                    if (all) next.delete(action);
                    else next.add(action);
                  write(next);
                }}
              />
            )}
            <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="xs" verticalSpacing={6}>
              {actions.map((action) => {
                const isFree = free.includes(action);
                return (
                  <Checkbox
                    key={action}
                    size="sm"
                    label={action}
                    title={isFree || readOnly ? undefined : t.picker.lacking}
                    checked={chosen.has(action)}
                    disabled={readOnly || !isFree}
                    onChange={({ currentTarget }) => {
                      const next = new Set(chosen);
                      if (currentTarget.checked) next.add(action);
                      else next.delete(action);
                      write(next);
                    }}
                  />
                );
              })}
            </SimpleGrid>
          </Fieldset>
        );
      })}
    </Stack>
  );
}
