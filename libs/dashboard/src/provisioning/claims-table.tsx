import { Anchor, Badge, Group, Stack, Text } from '@mantine/core';
import { IconClipboardList } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { t } from '@texts/provisioning';
import type { ReactNode } from 'react';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { Time, useZoneLabel } from '@/kit/time';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import type { ListSearch } from '@/list/search';
import { useKeyNames } from './queries';

type Claim = components['schemas']['ClaimView'];

export interface ClaimFilter {
  keyId?: string | undefined;
  outcome?: Claim['outcome'] | undefined;
  hardwareId?: string | undefined;
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
  const keyName = useKeyNames(org);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/claims', {
      params: { path: { orgId: org }, query: { ...filter, page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const outcome = ({ outcome, reason }: Claim) => (
    <Stack gap={2}>
      <Badge variant="dot" color={COLORS[outcome]} tt="none" fw={500} miw="max-content">
        {t.claims.outcomes[outcome]}
      </Badge>
      {reason && (
        <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          {reason}
        </Text>
      )}
    </Stack>
  );
  const site = ({ siteId }: Claim) =>
    siteId !== null && (
      <Anchor
        size="sm"
        renderRoot={(props) => <Link to="/org/$org/sites/$site" params={{ org, site: String(siteId) }} {...props} />}
      >
        {siteId}
      </Anchor>
    );
  const columns: Column<Claim>[] = [
    {
      key: 'createdAt',
      title: `${t.claims.columns.at} (${zone})`,
      render: ({ createdAt }) => <Time at={createdAt} absolute />,
      width: 190,
    },
    { key: 'outcome', title: t.claims.columns.outcome, render: outcome, width: 160 },
    {
      key: 'hardwareId',
      title: t.claims.columns.hardwareId,
      render: ({ hardwareId }) => hardwareId && <CopyId id={hardwareId} what={t.claims.columns.hardwareId} />,
    },
    { key: 'address', title: t.claims.columns.address, render: ({ address }) => address },
    ...(filter.keyId
      ? []
      : [
          {
            key: 'keyId',
            title: t.claims.columns.key,
            render: ({ keyId }) =>
              keyId && (
                <Anchor
                  size="sm"
                  renderRoot={(props) => (
                    <Link to="/org/$org/provisioning/keys/$key" params={{ org, key: keyId }} {...props} />
                  )}
                >
                  {keyName(keyId)}
                </Anchor>
              ),
          } satisfies Column<Claim>,
        ]),
    { key: 'door', title: t.claims.columns.door, render: ({ door }) => t.claims.doors[door], hidden: true },
    { key: 'siteId', title: t.claims.columns.site, render: site, width: 80 },
    {
      key: 'count',
      title: t.claims.columns.count,
      render: ({ count }) => formatNumber(count),
      textAlign: 'right',
      width: 80,
    },
  ];
  return (
    <ListTable
      id="claims"
      label={t.claims.list}
      query={query}
      rows={query.data?.claims}
      total={query.data?.pagination.total}
      rowId={({ claimId }) => claimId}
      columns={columns}
      search={search}
      onSearch={onSearch}
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
        empty ?? (
          <EmptyState
            icon={<IconClipboardList />}
            title={t.claims.empty.title}
            description={t.claims.empty.description}
          />
        )
      }
    />
  );
}
