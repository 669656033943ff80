import { Badge, Box, Group, Stack, Text } from '@mantine/core';
import { IconUserX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/blocked';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { Time, useZoneLabel } from '@/kit/time';
import { FilterBox } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';
import { TimeRange } from '@/list/time-range';

export const Route = createFileRoute('/_frame/org/$org/provisioning/blocked/rejections')({
  validateSearch: listSearch,
  component: Rejections,
  staticData: { action: 'listTombstones' },
});

type Rejection = components['schemas']['RejectionView'];
const texts = t.rejections;
const FIELDS = [{ key: 'hardwareId', label: texts.fields.hardwareId }];

function Rejections() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const zone = useZoneLabel();
  const of = (field: string) => filtersOf(search).find((one) => one.field === field)?.value;
  const asked = { hardwareId: of('hardwareId') ?? search.q, from: of('from'), to: of('to') };
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/rejections', {
      params: { path: { orgId: org }, query: { ...asked, page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const id = ({ hardwareId }: Rejection) => hardwareId && <CopyId id={hardwareId} what={texts.columns.hardwareId} />;
  const isBlocked = ({ tombstone }: Rejection) => (
    <Badge variant="default" tt="none" fw={500}>
      {tombstone === null ? texts.notBlocked : texts.blocked}
    </Badge>
  );
  const columns: Column<Rejection>[] = [
    { key: 'name', title: texts.columns.name, render: ({ name }) => name },
    { key: 'hardwareId', title: texts.columns.hardwareId, render: id },
    { key: 'tombstone', title: texts.columns.tombstone, render: isBlocked, width: 150 },
    { key: 'note', title: texts.columns.note, render: ({ note }) => note },
    { key: 'by', title: texts.columns.by, render: ({ by }) => by },
    {
      key: 'rejectedAt',
      title: `${texts.columns.rejectedAt} (${zone})`,
      render: ({ rejectedAt }) => <Time at={rejectedAt} absolute />,
      width: 190,
    },
  ];
  return (
    <Stack gap="sm">
      <Group gap="sm" align="flex-start">
        <Box flex={1} miw={260}>
          <FilterBox label={texts.list} search={search} fields={FIELDS} onChange={go} />
        </Box>
        <TimeRange search={search} onChange={go} />
      </Group>
      <ListTable
        id="rejections"
        label={texts.list}
        query={query}
        rows={query.data?.rejections}
        total={query.data?.pagination.total}
        rowId={({ siteId }) => siteId}
        columns={columns}
        search={search}
        onSearch={go}
        exported={{ path: `/org/${org}/rejections`, query: asked }}
        card={(rejection) => (
          <Stack gap={6} align="flex-start">
            <Group gap="xs">
              <Text size="sm" fw={500}>
                {rejection.name}
              </Text>
              {isBlocked(rejection)}
            </Group>
            {id(rejection)}
            <Text size="sm" c="dimmed" component="div">
              <Time at={rejection.rejectedAt} absolute /> {rejection.by}
            </Text>
            {rejection.note && <Text size="sm">{rejection.note}</Text>}
          </Stack>
        )}
        empty={<EmptyState icon={<IconUserX />} title={texts.empty.title} description={texts.empty.description} />}
      />
    </Stack>
  );
}
