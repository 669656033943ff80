import { Anchor, Button, Group, Select, Stack, Text } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/provisioning';
import { $api } from '@/api/client';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { PageHeader } from '@/kit/page';
import { Time, useZoneLabel } from '@/kit/time';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { type ListSearch, listSearch } from '@/list/search';
import { KeyState, KeyUses } from '@/provisioning/key-parts';
import type { Key } from '@/provisioning/queries';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/provisioning/keys/')({
  validateSearch: listSearch,
  component: Keys,
  staticData: { action: 'listSiteProvisioningKeys' },
});

const STATES = Object.entries(t.key.states).map(([value, label]) => ({ value, label }));

function Keys() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const zone = useZoneLabel();
  const state = STATES.find(({ value }) => value === search['state'])?.value as Key['state'] | undefined;
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/site-provisioning-keys', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE, state } },
    }),
  );
  const go = (next: ListSearch) => void navigate({ search: next });
  const create = may('createSiteProvisioningKey') && (
    <Button renderRoot={(props) => <Link to="/org/$org/provisioning/keys/new" params={{ org }} {...props} />}>
      {t.key.create}
    </Button>
  );
  const name = ({ siteProvisioningKeyId: key, name }: Key) => (
    <Anchor
      fw={500}
      size="sm"
      style={{ overflowWrap: 'anywhere' }}
      renderRoot={(props) => <Link to="/org/$org/provisioning/keys/$key" params={{ org, key }} {...props} />}
    >
      {name}
    </Anchor>
  );
  const lastUsed = ({ lastUsed, lastUsedIp }: Key) => (
    <>
      <Time at={lastUsed} />
      {lastUsedIp && (
        <Text size="sm" c="dimmed">
          {t.key.from(lastUsedIp)}
        </Text>
      )}
    </>
  );
  const columns: Column<Key>[] = [
    { key: 'name', title: t.key.columns.name, render: name },
    { key: 'state', title: t.key.columns.state, render: ({ state }) => <KeyState state={state} />, width: 130 },
    { key: 'uses', title: t.key.columns.uses, render: (key) => <KeyUses {...key} />, width: 150 },
    {
      key: 'validUntil',
      title: t.key.columns.validUntil,
      render: ({ validUntil }) => <Time at={validUntil} otherwise={t.key.noEnd} />,
      width: 130,
    },
    {
      key: 'approval',
      title: t.key.columns.approval,
      render: ({ approveNewSites }) => (approveNewSites ? t.key.atOnce : t.key.byHand),
      width: 110,
    },
    { key: 'lastUsed', title: t.key.columns.lastUsed, render: lastUsed, width: 140 },
    {
      key: 'createdBy',
      title: t.key.columns.createdBy,
      render: ({ createdBy }) => createdBy?.name,
      ellipsis: true,
      width: 120,
    },
    {
      key: 'createdAt',
      title: `${t.key.columns.createdAt} (${zone})`,
      render: ({ createdAt }) => <Time at={createdAt} absolute />,
      hidden: true,
      width: 200,
    },
    {
      key: 'id',
      title: t.key.columns.id,
      render: ({ siteProvisioningKeyId }) => <CopyId id={siteProvisioningKeyId} what={t.key.columns.id} />,
      hidden: true,
    },
  ];
  return (
    <>
      <PageHeader title={t.key.title} actions={create} />
      <ListTable
        id="keys"
        label={t.key.list}
        query={query}
        rows={query.data?.siteProvisioningKeys}
        total={query.data?.pagination.total}
        rowId={({ siteProvisioningKeyId }) => siteProvisioningKeyId}
        columns={columns}
        search={search}
        onSearch={go}
        exported={{ path: `/org/${org}/site-provisioning-keys`, query: { state } }}
        beside={
          <Select
            size="xs"
            w={160}
            aria-label={t.key.state}
            placeholder={t.key.allStates}
            clearable
            data={STATES}
            value={state ?? null}
            onChange={(chosen) => go({ ...search, page: undefined, state: chosen ?? undefined })}
          />
        }
        card={(key) => (
          <Stack gap={6}>
            <Group justify="space-between" wrap="nowrap" align="flex-start">
              {name(key)}
              <KeyState state={key.state} />
            </Group>
            <KeyUses {...key} />
            {key.validUntil && (
              <Text size="sm" c="dimmed" component="div">
                {t.key.columns.validUntil} <Time at={key.validUntil} />
              </Text>
            )}
          </Stack>
        )}
        empty={
          <EmptyState icon={<IconKey />} title={t.key.empty.title} description={t.key.empty.description}>
            {create}
          </EmptyState>
        }
      />
    </>
  );
}
