import { Alert, Button, Group, Stack, Table, Text } from '@mantine/core';
import { t } from '@texts/common';
import { type Change } from '@/api/versions';

const shown = (value: unknown): string =>
  value === null || value === undefined || value === ''
    ? t.none
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value);

/** What a form shows after a 412: what somebody else changed, and the choice. */
export function ChangedMeanwhile({
  changes,
  labels,
  onTakeTheirs,
  onSaveMine,
}: {
  changes: readonly Change[];
  /** Names of fields as the form writes them. */
  labels: Record<string, string>;
  onTakeTheirs: () => void;
  onSaveMine: () => void;
}) {
  return (
    <Alert color="orange" variant="outline" title={t.changed.title} role="alert">
      <Stack gap="sm">
        <Text size="sm">{changes.length > 0 ? t.changed.intro : t.changed.nothing}</Text>
        {changes.length > 0 && (
          <Table withRowBorders={false} verticalSpacing={4}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th />
                <Table.Th>{t.changed.before}</Table.Th>
                <Table.Th>{t.changed.now}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {changes.map(({ field, before, now }) => (
                <Table.Tr key={field}>
                  <Table.Th>{labels[field] ?? field}</Table.Th>
                  <Table.Td>{shown(before)}</Table.Td>
                  <Table.Td>{shown(now)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
        <Group gap="sm">
          <Button size="compact-sm" variant="default" onClick={onTakeTheirs}>
            {t.changed.takeTheirs}
          </Button>
          <Button size="compact-sm" color="orange" variant="outline" onClick={onSaveMine}>
            {t.changed.saveMine}
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}
