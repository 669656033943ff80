import { Anchor, Badge, Button, Code, Group, Modal, Stack, Text } from '@mantine/core';
import { IconClipboardList } from '@tabler/icons-react';
import { t } from '@texts/logs';
import { useState } from 'react';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { Time, useZoneLabel } from '@/kit/time';
import { FilterBox, type FilterField } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { type Filter, filtersOf, type ListSearch, withFilters } from '@/list/search';
import { TimeRange } from '@/list/time-range';

type Entry = components['schemas']['AuditView'];
type Result = keyof typeof t.audit.results;
type ActorType = keyof typeof t.audit.actors;

const valuesOf = (texts: Record<string, string>) => Object.entries(texts).map(([value, label]) => ({ value, label }));
const VALUES: Record<string, FilterField['values']> = {
  actorType: valuesOf(t.audit.actors),
  result: valuesOf(t.audit.results),
};

/** Who did it, and to what, is filtered by ids: their names are those of the rows. */
function fieldsOf(rows: readonly Entry[] = []): FilterField[] {
  const names = (of: (entry: Entry) => [id: string | null, name: string]) =>
    [...new Map(rows.map(of))].flatMap(([value, label]) => (value === null ? [] : { value, label }));
  const named: Record<string, FilterField['values']> = {
    actorId: names((entry) => [entry.actorId, actorOf(entry)]),
    targetId: names((entry) => [entry.targetId, targetOf(entry)]),
  };
  return Object.entries(t.audit.fields).map(([key, label]) => ({
    key,
    label,
    values: VALUES[key] ?? named[key],
    isId: key in named,
  }));
}

/** The address of a list of audit as the API asks for it. */
export function auditQueryOf(search: ListSearch) {
  const of = (field: string): string | undefined =>
    filtersOf(search).find((one) => one.field === field && !one.negated)?.value;
  return {
    query: search.q,
    action: of('action'),
    actorType: of('actorType') as ActorType | undefined,
    actorId: of('actorId'),
    targetType: of('targetType'),
    targetId: of('targetId'),
    result: of('result') as Result | undefined,
    address: of('address'),
    requestId: of('requestId'),
    from: of('from'),
    to: of('to'),
  };
}

/** A page of audit, with its filters: of an organization, or of the installation. */
export function AuditList({
  id,
  query,
  search,
  onSearch,
  exportPath,
}: {
  id: string;
  query: {
    data: components['schemas']['AuditList'] | undefined;
    error: unknown;
    isPlaceholderData: boolean;
    refetch: () => unknown;
  };
  search: ListSearch;
  onSearch: (search: ListSearch, replace?: boolean) => void;
  /** Below `/api/v1`. */
  exportPath: string;
}) {
  const zone = useZoneLabel();
  const [shown, setShown] = useState<Entry>();
  const narrow = (...filters: Omit<Filter, 'negated'>[]) => {
    setShown(undefined);
    onSearch(
      withFilters(
        search,
        filters.map((filter) => ({ ...filter, negated: false })),
        '',
      ),
    );
  };
  const action = (entry: Entry) => (
    <Anchor
      component="button"
      type="button"
      size="sm"
      ta="left"
      aria-label={t.audit.details(entry.action)}
      onClick={() => setShown(entry)}
    >
      {entry.action}
    </Anchor>
  );
  const columns: Column<Entry>[] = [
    {
      key: 'createdAt',
      title: `${t.audit.columns.createdAt} (${zone})`,
      render: ({ createdAt }) => <Time at={createdAt} absolute />,
      width: 190,
    },
    { key: 'actor', title: t.audit.columns.actor, render: (entry) => <Named text={actorOf(entry)} /> },
    { key: 'action', title: t.audit.columns.action, render: action },
    { key: 'target', title: t.audit.columns.target, render: (entry) => <Named text={targetOf(entry)} /> },
    {
      key: 'result',
      title: t.audit.columns.result,
      render: ({ result }) => <ResultBadge result={result} />,
      width: 110,
    },
    { key: 'address', title: t.audit.columns.address, render: ({ address }) => address, width: 150 },
    {
      key: 'requestId',
      title: t.audit.columns.requestId,
      render: ({ requestId }) => requestId && <CopyId id={requestId} what={t.audit.columns.requestId} />,
      hidden: true,
    },
  ];
  return (
    <Stack gap="sm">
      <Group align="flex-start" gap="sm">
        <div style={{ flex: '1 1 320px' }}>
          <FilterBox label={t.audit.list} search={search} fields={fieldsOf(query.data?.audit)} onChange={onSearch} />
        </div>
        <TimeRange search={search} onChange={onSearch} />
      </Group>
      <ListTable
        id={id}
        label={t.audit.list}
        query={query}
        rows={query.data?.audit}
        total={query.data?.pagination.total}
        rowId={({ auditId }) => auditId}
        columns={columns}
        search={search}
        onSearch={onSearch}
        exported={{ path: exportPath, query: auditQueryOf(search) }}
        pageSize={PAGE_SIZE}
        card={(entry) => (
          <Stack gap={4}>
            <Group justify="space-between" wrap="nowrap" align="flex-start">
              {action(entry)}
              <ResultBadge result={entry.result} />
            </Group>
            <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
              {actorOf(entry)}
              {targetOf(entry) && ` → ${targetOf(entry)}`}
            </Text>
            <Text size="sm" c="dimmed" component="div">
              <Time at={entry.createdAt} absolute />
            </Text>
          </Stack>
        )}
        empty={
          <EmptyState
            icon={<IconClipboardList />}
            title={t.audit.empty.title}
            description={t.audit.empty.description}
          />
        }
      />
      <Modal
        opened={shown !== undefined}
        onClose={() => setShown(undefined)}
        title={shown && t.audit.details(shown.action)}
        size="lg"
      >
        {shown && (
          <Stack>
            <Text size="sm" component="div">
              <Time at={shown.createdAt} absolute /> · {actorOf(shown)}
              {targetOf(shown) && ` → ${targetOf(shown)}`}
            </Text>
            {shown.requestId && <CopyId id={shown.requestId} what={t.audit.columns.requestId} />}
            <Code block tabIndex={0} role="region" aria-label={t.audit.columns.details} style={{ overflowX: 'auto' }}>
              {JSON.stringify(shown.details ?? {}, null, 2)}
            </Code>
            <Group gap="xs">
              {shown.actorId && (
                <Narrow
                  label={t.audit.of.actor}
                  onClick={() =>
                    narrow({ field: 'actorType', value: shown.actorType }, { field: 'actorId', value: shown.actorId! })
                  }
                />
              )}
              {shown.targetType && shown.targetId && (
                <Narrow
                  label={t.audit.of.target}
                  onClick={() =>
                    narrow(
                      { field: 'targetType', value: shown.targetType! },
                      { field: 'targetId', value: shown.targetId! },
                    )
                  }
                />
              )}
              {shown.requestId && (
                <Narrow
                  label={t.audit.of.request}
                  onClick={() => narrow({ field: 'requestId', value: shown.requestId! })}
                />
              )}
            </Group>
          </Stack>
        )}
      </Modal>
    </Stack>
  );
}

const Narrow = ({ label, onClick }: { label: string; onClick: () => void }) => (
  <Button variant="default" size="compact-sm" onClick={onClick}>
    {label}
  </Button>
);

const actorOf = ({ actorName, actorType, actorId }: Entry): string =>
  actorName ?? [t.audit.actors[actorType], actorId].filter(Boolean).join(' ');

const targetOf = ({ targetName, targetType, targetId }: Entry): string =>
  targetName ?? [targetType, targetId].filter(Boolean).join(' ');

const Named = ({ text }: { text: string }) => (
  <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
    {text}
  </Text>
);

const COLORS: Record<Result, string> = { success: 'gray', failure: 'red', refused: 'orange' };

const ResultBadge = ({ result }: { result: Result }) => (
  <Badge variant="outline" color={COLORS[result]} tt="none" fw={400}>
    {t.audit.results[result]}
  </Badge>
);
