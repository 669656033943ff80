import { Anchor, Badge, Button, Group, Stack, Text, Title } from '@mantine/core';
import { IconPackage } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/configuration';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { BundleBadge } from '@/configuration/parts';
import type { Bundle, BundleState } from '@/configuration/queries';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { RowTable } from '@/kit/row-table';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { FilterBox, type FilterField } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';
import { useMay } from '@/session/session';
import { bundleVersionText, EPOCH } from '../../../../../../../contracts/index.js';

export const Route = createFileRoute('/_frame/org/$org/configuration/bundles')({
  validateSearch: listSearch,
  component: Bundles,
  staticData: { action: 'listSites' },
});

const texts = t.bundles;
/** Of those that failed, above the list. */
const FIRST = 10;

const FIELDS: FilterField[] = [
  {
    key: 'state',
    label: texts.fields.state,
    values: Object.entries(t.bundleStates).map(([value, { label }]) => ({ value, label })),
  },
  { key: 'profileId', label: texts.fields.profileId },
  { key: 'version', label: texts.fields.version },
];

/** `1.1` as it is shown, or the number that the API knows. */
const bundleVersionOf = (text: string): number => {
  const [, epoch, n] = /^(\d+)\.(\d+)$/.exec(text) ?? [];
  return n === undefined ? Number(text) : Number(epoch) * EPOCH + Number(n);
};

function queryOf(search: ListSearch) {
  const filters = filtersOf(search).filter(({ negated }) => !negated);
  const of = (field: string): string | undefined => filters.find((one) => one.field === field)?.value;
  const number = (field: string) => (of(field) === undefined ? undefined : Number(of(field)));
  return {
    state: of('state') as BundleState | undefined,
    profileId: number('profileId'),
    version: of('version') === undefined ? undefined : bundleVersionOf(of('version')!),
  };
}

function Bundles() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const mayResend = useMay(org)('updateSite');
  const filters = queryOf(search);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/bundles', {
      params: { path: { orgId: org }, query: { ...filters, page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  // What failed stands first, whatever page of the others is shown.
  const showsFailed = filtersOf(search).length === 0;
  const { data: failed } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/bundles', {
      params: { path: { orgId: org }, query: { state: 'failed', pageSize: FIRST } },
    }),
    enabled: showsFailed,
  });
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const name = ({ siteId, name }: Bundle) => (
    <PageLink to="/org/$org/sites/$site" params={{ org, site: String(siteId) }}>
      {name}
    </PageLink>
  );
  const state = ({ state, sealed }: Bundle) => (
    <Group gap="xs" wrap="nowrap">
      <BundleBadge state={state} />
      {!sealed && (
        <Badge variant="default" tt="none" fw={400} style={{ flex: 'none' }}>
          {texts.unsealed}
        </Badge>
      )}
    </Group>
  );
  const reason = ({ reason, returned }: Bundle) => [reason, returned && texts.returned].filter(Boolean).join('. ');
  const resend = (bundle: Bundle) => (
    <Button
      size="compact-sm"
      variant="default"
      aria-label={texts.resendOne(bundle.name)}
      onClick={() => void sendAgain(bundle).catch(toastProblem)}
    >
      {texts.resend}
    </Button>
  );
  const columns: Column<Bundle>[] = [
    { key: 'name', title: texts.columns.name, render: name },
    { key: 'state', title: texts.columns.state, render: state, width: 185 },
    {
      key: 'version',
      title: texts.columns.version,
      render: ({ version }) => bundleVersionText(version),
      textAlign: 'right',
      width: 90,
    },
    {
      key: 'applied',
      title: texts.columns.applied,
      render: ({ appliedVersion }) => appliedVersion && bundleVersionText(appliedVersion),
      textAlign: 'right',
      width: 110,
    },
    {
      key: 'revision',
      title: texts.columns.revision,
      render: ({ revision }) => revision,
      textAlign: 'right',
      width: 90,
      hidden: true,
    },
    { key: 'reason', title: texts.columns.reason, render: reason },
    {
      key: 'rollout',
      title: texts.columns.rollout,
      render: ({ rolloutId }) =>
        rolloutId && (
          <PageLink to="/org/$org/configuration/rotations/$job" params={{ org, job: String(rolloutId) }}>
            {String(rolloutId)}
          </PageLink>
        ),
      width: 100,
      hidden: true,
    },
    {
      key: 'changedAt',
      title: texts.columns.changedAt,
      render: ({ changedAt }) => <Time at={changedAt} />,
      width: 130,
    },
    ...(mayResend ? [{ key: 'resend', title: ' ', render: resend, width: 120 } satisfies Column<Bundle>] : []),
  ];
  const failures = showsFailed && failed && failed.pagination.total > 0 && (
    <section>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{texts.failedFirst(formatNumber(failed.pagination.total))}</Title>
        {failed.pagination.total > FIRST && (
          <Anchor
            size="sm"
            renderRoot={(props) => (
              <Link to="/org/$org/configuration/bundles" params={{ org }} search={{ state: 'failed' }} {...props} />
            )}
          >
            {texts.showFailed}
          </Anchor>
        )}
      </Group>
      <RowTable
        label={texts.failedFirst('')}
        rows={failed.bundles}
        rowId={({ siteId }) => siteId}
        columns={[
          { title: texts.columns.name, render: name },
          { title: texts.columns.reason, render: reason },
          { title: texts.columns.version, render: ({ version }) => bundleVersionText(version), isNumber: true },
          {
            title: texts.columns.applied,
            render: ({ appliedVersion }) => appliedVersion && bundleVersionText(appliedVersion),
            isNumber: true,
          },
          { title: texts.columns.changedAt, render: ({ changedAt }) => <Time at={changedAt} /> },
          ...(mayResend ? [{ title: ' ', render: resend }] : []),
        ]}
      />
      <Title order={2} mt="lg">
        {texts.all}
      </Title>
    </section>
  );
  return (
    <>
      <PageHeader title={texts.title} description={texts.description} />
      <Stack gap="sm">
        {failures}
        <FilterBox search={search} fields={FIELDS} onChange={go} label={texts.filter} />
        <ListTable
          id="bundles"
          label={texts.list}
          query={query}
          rows={query.data?.bundles}
          total={query.data?.pagination.total}
          rowId={({ siteId }) => siteId}
          columns={columns}
          search={search}
          onSearch={go}
          exported={{ path: `/org/${org}/bundles`, query: filters }}
          card={(bundle) => (
            <Stack gap={6} align="flex-start">
              {name(bundle)}
              {state(bundle)}
              {bundle.reason && <Text size="sm">{reason(bundle)}</Text>}
              <Text size="sm" c="dimmed" component="div">
                {texts.columns.version} {bundleVersionText(bundle.version)} · <Time at={bundle.changedAt} />
              </Text>
              {mayResend && resend(bundle)}
            </Stack>
          )}
          empty={<EmptyState icon={<IconPackage />} title={texts.empty.title} description={texts.empty.description} />}
        />
      </Stack>
    </>
  );
}

async function sendAgain({ siteId, name }: Bundle): Promise<void> {
  await api.POST('/site/{siteId}/bundle/resend', { params: { path: { siteId: String(siteId) } } });
  toastDone(texts.resent(name));
  await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/bundles'] });
}
