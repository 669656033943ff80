import { Badge, Button, Group, SegmentedControl, Stack, Text, Tooltip, UnstyledButton } from '@mantine/core';
import { IconChecks } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t as odd } from '@texts/oddities';
import { t } from '@texts/pending';
import { useState } from 'react';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { JobCard } from '@/jobs/job-card';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { Time } from '@/kit/time';
import { toastProblem } from '@/kit/toasts';
import { FilterBox, type FilterField } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { type Filter, filtersOf, type ListSearch, listSearch, placeOf, withFilters } from '@/list/search';
import { approveMany, RowDecision, rejectMany, type Started } from '@/provisioning/decide';
import { usePendingTabs } from '@/provisioning/pending-tabs';
import { type Key, type Template, useKeys, useTemplates } from '@/provisioning/queries';
import { useMay } from '@/session/session';
import { Oddities, type Oddity } from '@/sites/oddities';

export const Route = createFileRoute('/_frame/org/$org/provisioning/pending/')({
  validateSearch: listSearch,
  component: Pending,
  staticData: { action: 'listSites' },
});

type Site = components['schemas']['SiteItem'];

const ODDITIES = Object.entries(odd).map(([value, { label }]) => ({ value, label }));

const fieldsOf = (keys: readonly Key[] | undefined, templates: readonly Template[] | undefined): FilterField[] => [
  {
    key: 'key',
    label: t.fields.key,
    values: keys?.map(({ siteProvisioningKeyId, name }) => ({ value: siteProvisioningKeyId, label: name })) ?? [],
  },
  { key: 'source', label: t.fields.source },
  { key: 'label', label: t.fields.label, negatable: true, repeatable: true },
  { key: 'group', label: t.fields.group, negatable: true },
  {
    key: 'template',
    label: t.fields.template,
    values: templates?.map(({ templateId, name }) => ({ value: String(templateId), label: name })) ?? [],
  },
  { key: 'hardwareId', label: t.fields.hardwareId },
  { key: 'oddity', label: t.fields.oddity, values: ODDITIES },
  { key: 'odd', label: t.fields.odd, values: [{ value: '0' }, { value: '1' }] },
];

/** The address as the API narrows sites by it: for the list, and for a decision on all that match. */
function filterOf(search: ListSearch) {
  const filters = filtersOf(search);
  const all = (field: string, negated: boolean): string[] =>
    filters.filter((one) => one.field === field && one.negated === negated).map(({ value }) => value);
  const of = (field: string, negated = false): string | undefined => all(field, negated)[0];
  const labels = (negated: boolean) => (all('label', negated).length > 0 ? all('label', negated) : undefined);
  return {
    state: 'pending' as const,
    query: search.q,
    keyId: of('key'),
    network: of('source'),
    label: labels(false),
    notLabel: labels(true),
    group: of('group'),
    notGroup: of('group', true),
    templateId: of('template') === undefined ? undefined : Number(of('template')),
    hardwareId: of('hardwareId'),
    oddity: of('oddity') as Oddity | undefined,
    odd: of('odd') === '0' ? false : of('odd') === '1' ? true : undefined,
  };
}

function Pending() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const mayDecide = useMay(org)('updateApprovals');
  const tabs = usePendingTabs();
  const keys = useKeys(org);
  const templates = useTemplates(org);
  const [job, setJob] = useState<Parameters<Started>[0]>();
  const filter = filterOf(search);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/sites', {
      params: { path: { orgId: org }, query: { ...filter, ...placeOf(search), pageSize: PAGE_SIZE } },
    }),
  );
  const rows = query.data?.sites;
  const total = query.data?.pagination.total;
  const number = formatNumber(total ?? 0);
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  /** The same list with one filter in place of others of its field. */
  const narrow = (field: string, value: string | undefined) => {
    const others: Filter[] = filtersOf(search).filter((one) => one.field !== field);
    go(withFilters(search, value === undefined ? others : [...others, { field, value, negated: false }]));
  };

  const name = ({ siteId, name }: Site) => (
    <PageLink to="/org/$org/sites/$site" params={{ org, site: String(siteId) }}>
      {name}
    </PageLink>
  );
  const key = ({ keyId }: Site) =>
    keyId && (
      <PageLink to="/org/$org/provisioning/keys/$key" params={{ org, key: keyId }}>
        {keys?.find(({ siteProvisioningKeyId }) => siteProvisioningKeyId === keyId)?.name ?? keyId}
      </PageLink>
    );
  const source = ({ claimedFrom }: Site) =>
    claimedFrom && (
      <Tooltip label={t.onlyFrom(claimedFrom)}>
        <UnstyledButton fz="sm" c="dimmed" onClick={() => narrow('source', claimedFrom)}>
          {claimedFrom}
        </UnstyledButton>
      </Tooltip>
    );
  const claimed = (site: Site) => (
    <Stack gap={0} align="flex-start">
      <Time at={site.createdAt} />
      {source(site)}
    </Stack>
  );
  const decision = (site: Site) => mayDecide && <RowDecision org={org} site={site} started={setJob} />;
  const columns: Column<Site>[] = [
    { key: 'name', title: t.columns.name, render: name },
    {
      key: 'oddities',
      title: t.columns.oddities,
      render: ({ oddities }) => <Oddities oddities={oddities} />,
      width: 140,
    },
    {
      key: 'hardwareId',
      title: t.columns.hardwareId,
      render: ({ hardwareId }) => hardwareId && <CopyId id={hardwareId} what={t.columns.hardwareId} />,
      width: 190,
    },
    { key: 'key', title: t.columns.key, render: key },
    { key: 'labels', title: t.columns.labels, render: ({ labels }) => <Labels labels={labels} />, hidden: true },
    {
      key: 'createdAt',
      title: t.columns.createdAt,
      render: claimed,
      width: 140,
    },
    ...(mayDecide
      ? [{ key: 'decide', title: t.columns.decide, render: decision, width: 190 } satisfies Column<Site>]
      : []),
  ];
  return (
    <>
      <PageHeader
        title={t.title}
        tabs={tabs}
        description={total === undefined ? ' ' : total === 0 ? t.none : t.waiting(total, number)}
        actions={
          mayDecide &&
          !!total && (
            <>
              <Button variant="default" onClick={() => void rejectMany(org, { filter }, setJob).catch(toastProblem)}>
                {t.rejectAll(number)}
              </Button>
              <Button onClick={() => void approveMany(org, { filter }, rows ?? [], setJob).catch(toastProblem)}>
                {t.approveAll(number)}
              </Button>
            </>
          )
        }
      />
      <Stack gap="sm">
        {job && (
          <JobCard
            key={job.jobId}
            org={org}
            jobId={job.jobId}
            call={job.call}
            {...t.job[job.decision]}
            onClose={() => setJob(undefined)}
          />
        )}
        <FilterBox label={t.list} search={search} fields={fieldsOf(keys, templates)} onChange={go} />
        <SegmentedControl
          w="max-content"
          aria-label={t.columns.oddities}
          data={[
            { value: '', label: t.odds.all },
            { value: '0', label: t.odds.none },
            { value: '1', label: t.odds.some },
          ]}
          value={filter.odd === undefined ? '' : filter.odd ? '1' : '0'}
          onChange={(value) => narrow('odd', value || undefined)}
        />
        <ListTable
          id="pending"
          label={t.list}
          query={query}
          rows={rows}
          total={total}
          next={query.data?.next}
          rowId={({ siteId }) => siteId}
          columns={columns}
          search={search}
          onSearch={go}
          exported={{ path: `/org/${org}/sites`, query: filter }}
          {...(mayDecide
            ? {
                bulk: (ids: (string | number)[], clear: () => void) => {
                  const siteIds = ids.map(Number);
                  const started: Started = (begun) => {
                    clear();
                    setJob(begun);
                  };
                  return (
                    <>
                      <Button
                        size="compact-sm"
                        variant="default"
                        onClick={() => void rejectMany(org, { siteIds }, started).catch(toastProblem)}
                      >
                        {t.reject}
                      </Button>
                      <Button
                        size="compact-sm"
                        onClick={() => void approveMany(org, { siteIds }, rows ?? [], started).catch(toastProblem)}
                      >
                        {t.approve}
                      </Button>
                    </>
                  );
                },
              }
            : {})}
          card={(site) => (
            <Stack gap={6}>
              {name(site)}
              <Oddities oddities={site.oddities} />
              <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                {[site.hardwareId, site.claimedFrom].filter(Boolean).join(' · ')}
              </Text>
              <Text size="sm" c="dimmed" component="div">
                {t.columns.createdAt} <Time at={site.createdAt} />
              </Text>
              {decision(site)}
            </Stack>
          )}
          empty={<EmptyState icon={<IconChecks />} title={t.empty.title} description={t.empty.description} />}
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
