import { Button, Stack, Text } from '@mantine/core';
import { IconDeviceDesktop } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t as pending } from '@texts/pending';
import { t } from '@texts/replacements';
import { $api } from '@/api/client';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { Time, useZoneLabel } from '@/kit/time';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { usePendingTabs } from '@/provisioning/pending-tabs';
import { useMay } from '@/session/session';
import { type WaitingReplacement, withdraw } from '@/sites/waiting-replacement';

/** Sites that go on with another device once it claims. */
export const Route = createFileRoute('/_frame/org/$org/provisioning/pending/replacements')({
  validateSearch: listSearch,
  component: Replacements,
  staticData: { action: 'listSites' },
});

function Replacements() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const zone = useZoneLabel();
  const tabs = usePendingTabs();
  const mayWithdraw = useMay(org)('updateSite');
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/site-replacements', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const total = query.data?.pagination.total;
  const site = ({ siteId, name }: WaitingReplacement) => (
    <PageLink to="/org/$org/sites/$site" params={{ org, site: String(siteId) }}>
      {name}
    </PageLink>
  );
  const device = ({ hardwareId }: WaitingReplacement) => <CopyId id={hardwareId} what={t.columns.hardwareId} />;
  const button = (replacement: WaitingReplacement) =>
    mayWithdraw && (
      <Button
        size="compact-sm"
        variant="default"
        aria-label={t.withdrawOne(replacement.name)}
        onClick={() => withdraw(replacement)}
      >
        {t.withdraw}
      </Button>
    );
  const columns: Column<WaitingReplacement>[] = [
    { key: 'site', title: t.columns.site, render: site },
    { key: 'hardwareId', title: t.columns.hardwareId, render: device },
    { key: 'askedBy', title: t.columns.askedBy, render: ({ askedBy }) => askedBy },
    {
      key: 'askedAt',
      title: t.columns.askedAt,
      render: ({ askedAt }) => <Time at={askedAt} />,
      width: 120,
    },
    {
      key: 'expiresAt',
      title: `${t.columns.expiresAt} (${zone})`,
      render: ({ expiresAt }) => <Time at={expiresAt} absolute />,
      width: 210,
    },
    ...(mayWithdraw
      ? [{ key: 'withdraw', title: ' ', render: button, width: 110 } satisfies Column<WaitingReplacement>]
      : []),
  ];
  return (
    <>
      <PageHeader
        title={pending.title}
        description={total === undefined ? ' ' : total === 0 ? t.none : t.waiting(total, formatNumber(total))}
        tabs={tabs}
      />
      <ListTable
        id="replacements"
        label={t.list}
        query={query}
        rows={query.data?.replacements}
        total={total}
        rowId={({ siteId }) => siteId}
        columns={columns}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        exported={{ path: `/org/${org}/site-replacements` }}
        card={(replacement) => (
          <Stack gap={6} align="flex-start">
            {site(replacement)}
            {device(replacement)}
            <Text size="sm" c="dimmed" component="div">
              {t.prepared(replacement.askedBy)}, <Time at={replacement.askedAt} />
            </Text>
            <Text size="sm" c="dimmed" component="div">
              {t.until} <Time at={replacement.expiresAt} absolute />
            </Text>
            {button(replacement)}
          </Stack>
        )}
        empty={<EmptyState icon={<IconDeviceDesktop />} title={t.empty.title} description={t.empty.description} />}
      />
    </>
  );
}
