import { Anchor, Badge, Button, Group, Stack, Text } from '@mantine/core';
import { IconChecks } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/provisioning';
import { useState } from 'react';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { Time } from '@/kit/time';
import { FilterBox, type FilterField } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';
import { approve, approveAll, RowDecision, reject } from '@/provisioning/decide';
import { DecisionJob } from '@/provisioning/decision-job';
import { useKeyNames } from '@/provisioning/queries';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/provisioning/pending')({
  validateSearch: listSearch,
  component: Pending,
  staticData: { action: 'listSites' },
});

type Site = components['schemas']['SiteItem'];

const FIELDS: FilterField[] = [
  { key: 'key', label: t.pending.fields.key },
  { key: 'group', label: t.pending.fields.group },
  { key: 'label', label: t.pending.fields.label },
  { key: 'hardwareId', label: t.pending.fields.hardwareId },
];

/** The address as the API narrows sites by it: for the list, and for a decision on all that match. */
function filterOf(search: ListSearch) {
  const filters = filtersOf(search);
  const of = (field: string): string | undefined => filters.find((one) => one.field === field)?.value;
  const labels = filters.filter(({ field }) => field === 'label').map(({ value }) => value);
  return {
    state: 'pending' as const,
    query: search.q,
    keyId: of('key'),
    group: of('group'),
    label: labels.length > 0 ? labels : undefined,
    hardwareId: of('hardwareId'),
  };
}

function Pending() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const mayDecide = useMay(org)('updateApprovals');
  const keyName = useKeyNames(org);
  const [job, setJob] = useState<{ jobId: number; decision: 'approve' | 'reject' }>();
  const filter = filterOf(search);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/sites', {
      params: { path: { orgId: org }, query: { ...filter, page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const total = query.data?.pagination.total;
  const number = formatNumber(total ?? 0);

  const name = ({ siteId, name }: Site) => (
    <Anchor
      fw={500}
      size="sm"
      style={{ overflowWrap: 'anywhere' }}
      renderRoot={(props) => <Link to="/org/$org/sites/$site" params={{ org, site: String(siteId) }} {...props} />}
    >
      {name}
    </Anchor>
  );
  const key = ({ keyId }: Site) =>
    keyId && (
      <Anchor
        size="sm"
        style={{ overflowWrap: 'anywhere' }}
        renderRoot={(props) => <Link to="/org/$org/provisioning/keys/$key" params={{ org, key: keyId }} {...props} />}
      >
        {keyName(keyId)}
      </Anchor>
    );
  const decision = (site: Site) => mayDecide && <RowDecision org={org} site={site} started={setJob} />;
  const columns: Column<Site>[] = [
    { key: 'name', title: t.pending.columns.name, render: name },
    {
      key: 'hardwareId',
      title: t.pending.columns.hardwareId,
      render: ({ hardwareId }) => hardwareId && <CopyId id={hardwareId} what={t.pending.columns.hardwareId} />,
    },
    { key: 'key', title: t.pending.columns.key, render: key },
    {
      key: 'labels',
      title: t.pending.columns.labels,
      render: ({ labels }) => <Labels labels={labels} />,
      hidden: true,
    },
    {
      key: 'createdAt',
      title: t.pending.columns.createdAt,
      render: ({ createdAt }) => <Time at={createdAt} />,
      width: 130,
    },
    ...(mayDecide
      ? [{ key: 'decide', title: t.pending.columns.decide, render: decision, width: 190 } satisfies Column<Site>]
      : []),
  ];
  return (
    <>
      <PageHeader
        title={t.pending.title}
        description={total === undefined ? ' ' : total === 0 ? t.pending.none : t.pending.waiting(number, total === 1)}
        actions={
          mayDecide &&
          !!total && (
            <>
              <Button variant="default" size="sm" onClick={() => reject(org, { filter }, { count: total }, setJob)}>
                {t.pending.rejectAll(number)}
              </Button>
              <Button size="sm" onClick={() => approveAll(org, { filter }, total, setJob)}>
                {t.pending.approveAll(number)}
              </Button>
            </>
          )
        }
      />
      <Stack gap="sm">
        {job && <DecisionJob key={job.jobId} org={org} {...job} onClose={() => setJob(undefined)} />}
        <FilterBox label={t.pending.list} search={search} fields={FIELDS} onChange={go} />
        <ListTable
          id="pending"
          label={t.pending.list}
          query={query}
          rows={query.data?.sites}
          total={total}
          rowId={({ siteId }) => siteId}
          columns={columns}
          search={search}
          onSearch={go}
          {...(mayDecide
            ? {
                bulk: (ids: (string | number)[], clear: () => void) => {
                  const siteIds = ids.map(Number);
                  const started = (begun: { jobId: number; decision: 'approve' | 'reject' }) => {
                    clear();
                    setJob(begun);
                  };
                  return (
                    <>
                      <Button
                        size="compact-sm"
                        variant="default"
                        onClick={() => reject(org, { siteIds }, { count: siteIds.length }, started)}
                      >
                        {t.pending.reject}
                      </Button>
                      <Button size="compact-sm" onClick={() => approve(org, { siteIds }, started)}>
                        {t.pending.approve}
                      </Button>
                    </>
                  );
                },
              }
            : {})}
          card={(site) => (
            <Stack gap={6}>
              {name(site)}
              <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                {site.hardwareId}
              </Text>
              <Group justify="space-between" gap="xs">
                <Text size="sm" c="dimmed" component="div">
                  {t.pending.columns.createdAt} <Time at={site.createdAt} />
                </Text>
                {decision(site)}
              </Group>
            </Stack>
          )}
          empty={
            <EmptyState icon={<IconChecks />} title={t.pending.empty.title} description={t.pending.empty.description} />
          }
        />
      </Stack>
    </>
  );
}

function Labels({ labels }: { labels: Record<string, string> }) {
  return (
    <Group gap={4}>
      {Object.entries(labels).map(([key, value]) => (
        <Badge key={key} variant="default" tt="none" fw={400} maw={180}>{`${key}=${value}`}</Badge>
      ))}
    </Group>
  );
}
