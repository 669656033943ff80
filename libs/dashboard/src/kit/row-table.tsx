import { Card, Paper, Skeleton, Stack, Table, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { useIsPhone } from './use-is-phone';

/** A short table without pages, part of a page: on a phone its rows are cards. */
export function RowTable<Row>({
  label,
  rows,
  rowId,
  columns,
}: {
  label: string;
  rows: readonly Row[] | undefined;
  rowId: (row: Row) => string | number;
  columns: readonly { title: string; render: (row: Row) => ReactNode; isNumber?: boolean }[];
}) {
  const isPhone = useIsPhone();
  if (rows === undefined) return <Skeleton h={120} />;
  if (isPhone)
    return (
      <Stack gap="xs">
        {rows.map((row) => (
          <Card key={rowId(row)} withBorder p="sm">
            <Stack gap={4}>
              {columns.map(({ title, render }) => {
                const value = render(row);
                if (value === null || value === undefined || value === false) return null;
                return (
                  <Text key={title} size="sm" component="div" style={{ overflowWrap: 'anywhere' }}>
                    {title.trim() && (
                      <Text span inherit c="dimmed">
                        {title}:{' '}
                      </Text>
                    )}
                    {value}
                  </Text>
                );
              })}
            </Stack>
          </Card>
        ))}
      </Stack>
    );
  return (
    <Paper withBorder style={{ overflow: 'hidden' }}>
      <Table.ScrollContainer minWidth={480} type="native">
        <Table aria-label={label} verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              {columns.map(({ title, isNumber }, index) =>
                title.trim() ? (
                  <Table.Th key={title} ta={isNumber && index > 0 ? 'right' : 'left'}>
                    {title}
                  </Table.Th>
                ) : (
                  <Table.Td key={title} />
                ),
              )}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={rowId(row)}>
                {columns.map(({ title, render, isNumber }, index) => (
                  <Table.Td key={title} ta={isNumber && index > 0 ? 'right' : 'left'}>
                    {render(row)}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}
