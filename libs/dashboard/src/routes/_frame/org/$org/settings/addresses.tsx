import { Button, Card, Group, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconNetwork } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/settings';
import { useState } from 'react';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { EmptyState } from '@/kit/empty';
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { toastDone, toastProblem } from '@/kit/toasts';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/settings/addresses')({
  validateSearch: listSearch,
  component: Addresses,
  staticData: { action: 'listAddressRanges' },
});

type Range = components['schemas']['AddressRangeView'];
const LIST = ['get', '/org/{orgId}/address-ranges'];

function Addresses() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/address-ranges', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const remove = async ({ rangeId, cidr }: Range) => {
    try {
      await api.DELETE('/org/{orgId}/address-range/{rangeId}', { params: { path: { orgId: org, rangeId } } });
      toastDone(t.addresses.removed(cidr), () => add(org, cidr, newIdempotencyKey()));
      await queryClient.invalidateQueries({ queryKey: LIST });
    } catch (error) {
      toastProblem(error);
    }
  };
  const removeButton = (range: Range) =>
    may('deleteAddressRange') && (
      <Button
        size="compact-sm"
        variant="default"
        aria-label={t.addresses.removeOf(range.cidr)}
        onClick={() => void remove(range)}
      >
        {t.addresses.remove}
      </Button>
    );
  const number = (of: (range: Range) => number) => (range: Range) => formatNumber(of(range));
  const columns: Column<Range>[] = [
    { key: 'cidr', title: t.addresses.columns.cidr, render: ({ cidr }) => cidr },
    { key: 'size', title: t.addresses.columns.size, render: number(({ size }) => size), textAlign: 'right' },
    { key: 'free', title: t.addresses.columns.free, render: number(({ free }) => free), textAlign: 'right' },
    { key: 'reserved', title: t.addresses.columns.reserved, render: number((one) => one.reserved), textAlign: 'right' },
    { key: 'acts', title: '', render: removeButton, width: 110, textAlign: 'right' },
  ];
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        {t.addresses.text}
      </Text>
      <ListTable
        id="address-ranges"
        label={t.addresses.list}
        query={query}
        rows={query.data?.addressRanges}
        total={query.data?.pagination.total}
        rowId={({ rangeId }) => rangeId}
        columns={columns}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        exported={{ path: `/org/${org}/address-ranges` }}
        card={(range) => (
          <Group justify="space-between">
            <Stack gap={4}>
              <Text fw={500} size="sm">
                {range.cidr}
              </Text>
              <Text size="sm" c="dimmed">
                {t.addresses.freeOf(formatNumber(range.free), formatNumber(range.size))}
              </Text>
            </Stack>
            {removeButton(range)}
          </Group>
        )}
        empty={
          <EmptyState
            icon={<IconNetwork />}
            title={t.addresses.empty.title}
            description={t.addresses.empty.description}
          />
        }
      />
      {may('createAddressRange') && <AddRange org={org} />}
    </Stack>
  );
}

async function add(orgId: string, cidr: string, idempotencyKey: string): Promise<void> {
  await api.PUT('/org/{orgId}/address-range', {
    params: { path: { orgId }, header: { 'Idempotency-Key': idempotencyKey } },
    body: { cidr },
  });
  toastDone(t.addresses.added(cidr));
  await queryClient.invalidateQueries({ queryKey: LIST });
}

function AddRange({ org }: { org: string }) {
  const [idempotencyKey, setKey] = useState(newIdempotencyKey);
  const form = useForm({ initialValues: { cidr: '' } });
  return (
    <Card withBorder maw={560}>
      <Title order={2} mb="sm">
        {t.addresses.add}
      </Title>
      <ApiForm
        form={form}
        submitLabel={t.addresses.submit}
        onSubmit={async ({ cidr }) => {
          await add(org, cidr, idempotencyKey);
          form.reset();
          setKey(newIdempotencyKey());
        }}
      >
        <TextInput
          label={t.addresses.cidr}
          description={t.addresses.cidrHint}
          autoComplete="off"
          {...form.getInputProps('cidr')}
        />
      </ApiForm>
    </Card>
  );
}
