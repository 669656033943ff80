import {
  ActionIcon,
  Button,
  Card,
  Checkbox,
  Group,
  Menu,
  Pagination,
  Skeleton,
  Stack,
  Text,
  Tooltip,
} from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { IconColumns3 } from '@tabler/icons-react';
import { t } from '@texts/common';
import { DataTable, type DataTableColumn, type DataTableSortStatus } from 'mantine-datatable';
import type { ReactNode } from 'react';
import { EmptyState } from '@/kit/empty';
import { Failure } from '@/kit/failure';
import { formatNumber } from '@/kit/formats';
import { useIsPhone } from '@/kit/use-is-phone';
import { type Exported, ExportMenu } from './export-menu';
import { filtersOf, type ListSearch, withFilters } from './search';
import { useSelection } from './selection';

export const PAGE_SIZE = 50;
/** What a column without a width has at least; wider tables scroll. */
const FLEXIBLE_WIDTH = 130;
const SELECTION_WIDTH = 44;
/** So few columns are shown as they are. */
const FEW_COLUMNS = 7;

export interface Column<Row> {
  /** Of the row; also the name of the order, where the column can be sorted. */
  key: string;
  title: string;
  render: (row: Row) => ReactNode;
  sortable?: boolean;
  /** Of the order, where the API calls it otherwise. */
  sortKey?: string;
  /** Not shown until somebody asks for it. */
  hidden?: boolean;
  /** Those without one share what is left. */
  width?: number;
  textAlign?: 'left' | 'right';
  ellipsis?: boolean;
}

interface ListTableProps<Row> {
  /** For what the browser keeps: which columns are shown. */
  id: string;
  /** What a screen reader calls the table. */
  label: string;
  query: { data: unknown; error: unknown; isPlaceholderData: boolean; refetch: () => unknown };
  rows: readonly Row[] | undefined;
  total: number | undefined;
  /** The cursor of the page behind this one, where the API tells it. */
  next?: string | null | undefined;
  rowId: (row: Row) => string | number;
  columns: readonly Column<Row>[];
  search: ListSearch;
  onSearch: (search: ListSearch) => void;
  /** Where the whole list is had as a file; undefined where the API gives none. */
  exported: Exported | undefined;
  /** A row on a phone. */
  card: (row: Row) => ReactNode;
  /** What stands where there is nothing at all; where filters leave nothing, the table says so itself. */
  empty: ReactNode;
  /** Rows can be chosen: what can be done with them, in a bar that stays in sight. */
  bulk?: (ids: (string | number)[], clear: () => void) => ReactNode;
  /** Beside the switch for columns. */
  beside?: ReactNode;
  pageSize?: number;
}

/** A list whose page, order and filters are the address: Back finds the same rows, scroll and selection. */
export function ListTable<Row extends object>(props: ListTableProps<Row>) {
  const {
    id,
    label,
    query,
    rows,
    total,
    next,
    rowId,
    columns,
    search,
    onSearch,
    card,
    empty,
    bulk,
    beside,
    exported,
    pageSize = PAGE_SIZE,
  } = props;
  const isPhone = useIsPhone();
  const [hidden, setHidden] = useLocalStorage<string[]>({
    key: `gatehouse-columns-${id}`,
    defaultValue: columns.filter((column) => column.hidden).map(({ key }) => key),
    getInitialValueInEffect: false,
  });
  const [selected, select] = useSelection();
  const page = search.page ?? 1;
  const { sort } = search;

  if (query.error && rows === undefined) return <Failure error={query.error} retry={query.refetch} />;
  const filtered = filtersOf(search).length > 0 || !!search.q;
  if (rows?.length === 0 && !query.isPlaceholderData) {
    if (page > 1) return <Emptied onFirst={() => onSearch({ ...search, page: undefined, cursor: undefined })} />;
    if (!filtered) return empty;
    return (
      <EmptyState title={t.noMatch.title} description={t.noMatch.description}>
        <Button variant="default" onClick={() => onSearch(withFilters(search, [], ''))}>
          {t.clearFilters}
        </Button>
      </EmptyState>
    );
  }

  const toPage = (to: number) => {
    // What is still shown of the page before tells another one's.
    const cursor = to === page + 1 && !query.isPlaceholderData ? (next ?? undefined) : undefined;
    onSearch({ ...search, page: to > 1 ? to : undefined, cursor });
    window.scrollTo({ top: 0 });
  };
  const bar = bulk && selected.length > 0 && (
    <Card withBorder shadow="md" p="xs" pos="sticky" bottom={8} style={{ zIndex: 10 }}>
      <Group justify="space-between" gap="sm">
        <Group gap="sm">
          <Text size="sm" fw={600} aria-live="polite">
            {t.selected(formatNumber(selected.length))}
          </Text>
          <Button size="compact-sm" variant="subtle" color="gray" onClick={() => select([])}>
            {t.clearSelection}
          </Button>
        </Group>
        <Group gap="sm">{bulk(selected, () => select([]))}</Group>
      </Group>
    </Card>
  );

  const pages = total === undefined ? undefined : Math.ceil(total / pageSize);
  const foot = total !== undefined && rows !== undefined && (
    <Group justify="space-between" gap="sm" p="xs">
      <Text size="sm" c="dimmed" aria-live="polite">
        {t.rows(
          formatNumber((page - 1) * pageSize + 1),
          formatNumber((page - 1) * pageSize + rows.length),
          formatNumber(total),
        )}
      </Text>
      {pages! > 1 && (
        <Pagination
          size="sm"
          withEdges
          total={pages!}
          value={page}
          onChange={toPage}
          siblings={isPhone ? 0 : 1}
          getItemProps={(item) => ({ 'aria-label': t.page(item) })}
          getControlProps={(control) => ({ 'aria-label': t.pageControl[control as keyof typeof t.pageControl] })}
        />
      )}
    </Group>
  );

  if (isPhone)
    return (
      <Stack gap="xs">
        {rows === undefined
          ? [1, 2, 3, 4, 5, 6].map((number) => <Skeleton key={number} h={84} />)
          : rows.map((row) => (
              <Card key={rowId(row)} withBorder p="sm">
                <Group wrap="nowrap" align="flex-start" gap="sm">
                  {bulk && (
                    <Checkbox
                      mt={2}
                      aria-label={t.selectRow(String(rowId(row)))}
                      checked={selected.includes(rowId(row))}
                      onChange={({ currentTarget }) =>
                        select(
                          currentTarget.checked
                            ? [...selected, rowId(row)]
                            : selected.filter((one) => one !== rowId(row)),
                        )
                      }
                    />
                  )}
                  <div style={{ flex: 1, minWidth: 0 }}>{card(row)}</div>
                </Group>
              </Card>
            ))}
        {foot}
        {bar}
      </Stack>
    );

  const shown: DataTableColumn<Row>[] = columns
    .filter(({ key }) => !hidden.includes(key))
    .map(({ key, render, sortKey, hidden: _, ...column }) => ({
      accessor: key,
      ...(sortKey ? { sortKey } : {}),
      render: rows === undefined ? () => <Skeleton h={14} my={4} w="70%" /> : render,
      ...column,
    }));
  const least = shown.reduce(
    (sum, { width }) => sum + ((width as number | undefined) ?? FLEXIBLE_WIDTH),
    bulk ? SELECTION_WIDTH : 0,
  );
  const canChoose = columns.length > FEW_COLUMNS || columns.some((column) => column.hidden);
  const skeletons = Array.from({ length: 10 }, (_, index) => ({ skeleton: index }) as unknown as Row);
  const columnOfSort = columns.find(({ key, sortKey }) => (sortKey ?? key) === sort?.replace(/^-/, ''));
  return (
    <Stack gap="xs">
      <Group justify="flex-end" gap="xs">
        {beside}
        {exported && <ExportMenu {...exported} />}
        {canChoose && (
          <Menu closeOnItemClick={false} position="bottom-end">
            <Menu.Target>
              <Tooltip label={t.columns}>
                <ActionIcon variant="default" size="md" aria-label={t.columns}>
                  <IconColumns3 size={16} />
                </ActionIcon>
              </Tooltip>
            </Menu.Target>
            <Menu.Dropdown>
              {columns.slice(1).map(({ key, title }) => (
                <Menu.Item
                  key={key}
                  role="menuitemcheckbox"
                  aria-checked={!hidden.includes(key)}
                  leftSection={<Checkbox.Indicator size="xs" checked={!hidden.includes(key)} />}
                  onClick={() =>
                    setHidden(hidden.includes(key) ? hidden.filter((one) => one !== key) : [...hidden, key])
                  }
                >
                  {title}
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
        )}
      </Group>
      <DataTable
        withTableBorder
        borderRadius="md"
        highlightOnHover
        verticalSpacing="xs"
        // By the widths of its columns, whatever stands in them: one long id would squeeze the others.
        styles={{ table: { tableLayout: 'fixed', minWidth: least } }}
        minHeight={rows === undefined ? undefined : 0}
        aria-label={label}
        aria-busy={rows === undefined}
        idAccessor={rows === undefined ? 'skeleton' : rowId}
        records={rows === undefined ? skeletons : [...rows]}
        columns={shown}
        {...(sort !== undefined && columnOfSort
          ? { sortStatus: { columnAccessor: columnOfSort.key, direction: sort.startsWith('-') ? 'desc' : 'asc' } }
          : { sortStatus: { columnAccessor: '', direction: 'asc' } })}
        onSortStatusChange={({ columnAccessor, direction }: DataTableSortStatus<Row>) => {
          const column = columns.find(({ key }) => key === columnAccessor)!;
          // Of numbers the largest are looked for.
          const isLargestFirst = column.textAlign === 'right' && column !== columnOfSort;
          onSearch({
            ...search,
            page: undefined,
            cursor: undefined,
            sort: `${isLargestFirst || direction === 'desc' ? '-' : ''}${column.sortKey ?? column.key}`,
          });
        }}
        {...(bulk && rows
          ? {
              selectedRecords: rows.filter((row) => selected.includes(rowId(row))),
              onSelectedRecordsChange: (chosen: Row[]) => {
                const here = new Set(rows.map(rowId));
                select([...selected.filter((one) => !here.has(one)), ...chosen.map(rowId)]);
              },
              allRecordsSelectionCheckboxProps: { 'aria-label': t.selectAll },
              getRecordSelectionCheckboxProps: (row: Row) => ({ 'aria-label': t.selectRow(String(rowId(row))) }),
            }
          : {})}
      />
      {foot}
      {bar}
    </Stack>
  );
}

/** A page behind the last one: rows went away, or a link is old. */
function Emptied({ onFirst }: { onFirst: () => void }) {
  return (
    <EmptyState title={t.noMatch.title}>
      <Button variant="default" onClick={onFirst}>
        {t.pageControl.first}
      </Button>
    </EmptyState>
  );
}
