import { Anchor, Group, SegmentedControl, Select, Stack, Text } from '@mantine/core';
import { IconCalendarTime } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/settings';
import type { ReactNode } from 'react';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { Time } from '@/kit/time';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { type ListSearch, listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/settings/expiring')({
  validateSearch: listSearch,
  component: Expiring,
  staticData: { action: 'listSites' },
});

type Item = components['schemas']['ExpiringItem'];
type Kind = Item['kind'];
const USUAL = '30d';

function Expiring() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const within =
    typeof search['within'] === 'string' && search['within'] in t.expiring.periods ? search['within'] : USUAL;
  const kind = Object.keys(t.expiring.kinds).find((one) => one === search['kind']) as Kind | undefined;
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/expiring', {
      params: { path: { orgId: org }, query: { within, kind, page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const counts = query.data?.counts ?? [];
  const total = query.data?.pagination.total;
  const go = (next: ListSearch) => void navigate({ search: next });
  const columns: Column<Item>[] = [
    { key: 'kind', title: t.expiring.columns.kind, render: ({ kind }) => t.expiring.kinds[kind], width: 200 },
    { key: 'name', title: t.expiring.columns.name, render: (item) => <Name org={org} item={item} /> },
    { key: 'endsAt', title: t.expiring.columns.endsAt, render: ({ endsAt }) => <Time at={endsAt} />, width: 160 },
  ];
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Select
          aria-label={t.expiring.columns.kind}
          placeholder={t.expiring.all}
          clearable
          clearButtonProps={{ 'aria-label': t.expiring.all }}
          miw={220}
          value={kind ?? null}
          onChange={(value) => go({ ...search, page: undefined, kind: value ?? undefined })}
          // A kind that has nothing is not offered, but for the one that is chosen.
          data={counts
            .filter((one) => one.total > 0 || one.kind === kind)
            .map((one) => ({
              value: one.kind,
              label: `${t.expiring.kinds[one.kind]} (${formatNumber(one.total)})`,
            }))}
        />
        <SegmentedControl
          aria-label={t.expiring.within}
          value={within}
          onChange={(value) => go({ ...search, page: undefined, within: value === USUAL ? undefined : value })}
          data={Object.entries(t.expiring.periods).map(([value, label]) => ({ value, label }))}
        />
      </Group>
      <ListTable
        id="expiring"
        label={t.expiring.list}
        query={query}
        rows={query.data?.items}
        total={total}
        rowId={({ kind, id }) => `${kind} ${id}`}
        columns={columns}
        // What is chosen above is no filter of the list: where nothing ends, nothing is to be cleared.
        search={{ page: search.page }}
        onSearch={({ page }) => go({ ...search, page })}
        exported={{ path: `/org/${org}/expiring`, query: { within, kind } }}
        card={(item) => (
          <Stack gap={4}>
            <Name org={org} item={item} />
            <Text size="sm" c="dimmed" component="div">
              {t.expiring.kinds[item.kind]} · <Time at={item.endsAt} />
            </Text>
          </Stack>
        )}
        empty={
          <EmptyState
            icon={<IconCalendarTime />}
            title={t.expiring.empty.title}
            description={t.expiring.empty.description}
          />
        }
      />
    </Stack>
  );
}

/** With the way to where it can be changed, for who may see that. */
function Name({ org, item: { kind, id, name, siteId } }: { org: string; item: Item }) {
  const may = useMay(org);
  const link = (root: (props: object) => ReactNode) => (
    <Anchor size="sm" fw={500} style={{ overflowWrap: 'anywhere' }} renderRoot={root}>
      {name}
    </Anchor>
  );
  if (kind === 'site_provisioning_key' && may('listSiteProvisioningKeys'))
    return link((props) => <Link to="/org/$org/provisioning/keys/$key" params={{ org, key: id }} {...props} />);
  if (kind === 'api_key' && may('getApiKey'))
    return link((props) => <Link to="/org/$org/access/api-keys/$key" params={{ org, key: id }} {...props} />);
  if (kind === 'site_credential' && siteId !== null && may('getSite'))
    return link((props) => <Link to="/org/$org/sites/$site" params={{ org, site: String(siteId) }} {...props} />);
  if (kind === 'certificate_authority' && may('getOrg'))
    return link((props) => <Link to="/org/$org/settings/keys" params={{ org }} {...props} />);
  if (kind === 'invitation' && may('listInvitations'))
    return link((props) => <Link to="/org/$org/access/invitations" params={{ org }} {...props} />);
  if (kind === 'access_token' && may('listAccessTokens'))
    return link((props) => <Link to="/org/$org/access/share-links" params={{ org }} {...props} />);
  return <Text size="sm">{name}</Text>;
}
