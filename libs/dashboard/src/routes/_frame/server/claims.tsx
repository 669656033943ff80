import { Group, Stack, Text } from '@mantine/core';
import { IconKeyOff } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/server';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { Time, useZoneLabel } from '@/kit/time';
import { FilterBox } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';
import { TimeRange } from '@/list/time-range';

export const Route = createFileRoute('/_frame/server/claims')({ validateSearch: listSearch, component: UnknownKeys });

type Claim = components['schemas']['ClaimView'];

const FIELDS = Object.entries(t.claims.fields).map(([key, label]) => ({ key, label }));

function UnknownKeys() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const zone = useZoneLabel();
  const of = (field: string): string | undefined =>
    filtersOf(search).find((one) => one.field === field && !one.negated)?.value;
  const asked = { hardwareId: of('hardwareId'), from: of('from'), to: of('to') };
  const query = useQuery(
    $api.queryOptions('get', '/claims', {
      params: { query: { ...asked, page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  // Words are not searched here: of a box that says them anyway only the filters count.
  const go = ({ q: _words, ...next }: ListSearch, replace = false) => void navigate({ search: next, replace });
  const columns: Column<Claim>[] = [
    {
      key: 'lastSeenAt',
      title: `${t.claims.columns.lastSeenAt} (${zone})`,
      render: ({ lastSeenAt }) => <Time at={lastSeenAt} absolute />,
      width: 190,
    },
    {
      key: 'hardwareId',
      title: t.claims.columns.hardwareId,
      render: ({ hardwareId }) => hardwareId && <CopyId id={hardwareId} what={t.claims.columns.hardwareId} />,
    },
    { key: 'address', title: t.claims.columns.address, render: ({ address }) => address },
    { key: 'door', title: t.claims.columns.door, render: ({ door }) => door, width: 90 },
    { key: 'reason', title: t.claims.columns.reason, render: ({ reason }) => reason },
    {
      key: 'count',
      title: t.claims.columns.count,
      render: ({ count }) => formatNumber(count),
      width: 90,
      textAlign: 'right',
    },
  ];
  return (
    <Stack gap="sm">
      <Group align="flex-start" gap="sm">
        <div style={{ flex: '1 1 320px' }}>
          <FilterBox label={t.claims.list} search={search} fields={FIELDS} onChange={go} />
        </div>
        <TimeRange search={search} onChange={go} />
      </Group>
      <ListTable
        id="unknown-keys"
        label={t.claims.list}
        query={query}
        rows={query.data?.claims}
        total={query.data?.pagination.total}
        rowId={({ claimId }) => claimId}
        columns={columns}
        search={search}
        onSearch={go}
        exported={{ path: '/claims', query: asked }}
        card={(claim) => (
          <Stack gap={4}>
            <Text fw={500} size="sm" style={{ overflowWrap: 'anywhere' }}>
              {claim.hardwareId ?? claim.address}
            </Text>
            <Text size="sm" c="dimmed" component="div">
              <Time at={claim.lastSeenAt} absolute /> · {claim.address} · {claim.reason}
            </Text>
          </Stack>
        )}
        empty={
          <EmptyState icon={<IconKeyOff />} title={t.claims.empty.title} description={t.claims.empty.description} />
        }
      />
    </Stack>
  );
}
