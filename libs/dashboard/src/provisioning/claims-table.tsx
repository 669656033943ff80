import { Badge, Group, Stack, Text } from '@mantine/core';
import { IconClipboardList } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { t } from '@texts/claims';
import type { ReactNode } from 'react';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { Time, useZoneLabel } from '@/kit/time';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import type { ListSearch } from '@/list/search';
import { useKeys } from './queries';
import { NextStep, reasonOf } from './refusal';

type Claim = components['schemas']['ClaimView'];

export interface ClaimFilter {
  keyId?: string | undefined;
  outcome?: Claim['outcome'] | undefined;
  hardwareId?: string | undefined;
  address?: string | undefined;
  siteId?: number | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

const COLORS: Record<Claim['outcome'], string> = {
  created: 'teal',
  recognised: 'gray',
  reissued: 'gate',
  contested: 'orange',
  refused: 'red',
  capacity: 'red',
};

/** Claims, newest first: all of an organization, or those of one key. */
export function ClaimsTable({
  org,
  filter,
  search,
  onSearch,
  empty,
}: {
  org: string;
  filter: ClaimFilter;
  search: ListSearch;
  onSearch: (search: ListSearch) => void;
  empty?: ReactNode;
}) {
  const zone = useZoneLabel();
  const keys = useKeys(org);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/claims', {
      params: { path: { orgId: org }, query: { ...filter, page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const outcome = (claim: Claim) => (
    <Stack gap={2} align="flex-start">
      <Badge variant="dot" color={COLORS[claim.outcome]} tt="none" fw={500} miw="max-content">
        {t.outcomes[claim.outcome]}
      </Badge>
      {claim.reason && (
        <Text size="sm" fw={500} style={{ overflowWrap: 'anywhere' }}>
          {reasonOf(claim.reason)}
        </Text>
      )}
      {claim.reason && (
        <NextStep
          org={org}
          reason={claim.reason}
          // On the page of the key itself no link leads there.
          keyId={filter.keyId ? null : claim.keyId}
          templateId={claim.templateId}
          siteId={claim.siteId}
        />
      )}
    </Stack>
  );
  const site = ({ siteId }: Claim) =>
    siteId !== null && (
      <PageLink to="/org/$org/sites/$site" params={{ org, site: String(siteId) }}>
        {siteId}
      </PageLink>
    );
  const key = ({ keyId }: Claim) =>
    keyId && (
      <PageLink to="/org/$org/provisioning/keys/$key" params={{ org, key: keyId }}>
        {keys?.find(({ siteProvisioningKeyId }) => siteProvisioningKeyId === keyId)?.name ?? keyId}
      </PageLink>
    );
  const columns: Column<Claim>[] = [
    {
      key: 'createdAt',
      title: `${t.columns.at} (${zone})`,
      render: ({ createdAt }) => <Time at={createdAt} absolute />,
      width: 180,
    },
    { key: 'outcome', title: t.columns.outcome, render: outcome, width: 220 },
    {
      key: 'hardwareId',
      title: t.columns.hardwareId,
      render: ({ hardwareId }) => hardwareId && <CopyId id={hardwareId} what={t.columns.hardwareId} />,
    },
    { key: 'address', title: t.columns.address, render: ({ address }) => address, width: 130 },
    ...(filter.keyId ? [] : [{ key: 'keyId', title: t.columns.key, render: key } satisfies Column<Claim>]),
    { key: 'door', title: t.columns.door, render: ({ door }) => t.doors[door], hidden: true },
    { key: 'siteId', title: t.columns.site, render: site, width: 65 },
    {
      key: 'count',
      title: t.columns.count,
      render: ({ count }) => formatNumber(count),
      textAlign: 'right',
      width: 70,
    },
  ];
  return (
    <ListTable
      id="claims"
      label={t.list}
      query={query}
      rows={query.data?.claims}
      total={query.data?.pagination.total}
      rowId={({ claimId }) => claimId}
      columns={columns}
      search={search}
      onSearch={onSearch}
      exported={{ path: `/org/${org}/claims`, query: filter }}
      card={(claim) => (
        <Stack gap={6}>
          <Group justify="space-between" align="flex-start">
            {outcome(claim)}
            <Text size="sm" c="dimmed" component="div">
              <Time at={claim.createdAt} absolute />
            </Text>
          </Group>
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
            {[claim.hardwareId, claim.address].filter(Boolean).join(' · ')}
          </Text>
        </Stack>
      )}
      empty={
        empty ?? <EmptyState icon={<IconClipboardList />} title={t.empty.title} description={t.empty.description} />
      }
    />
  );
}
