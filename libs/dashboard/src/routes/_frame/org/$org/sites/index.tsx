import { Button, Stack } from '@mantine/core';
import { IconDeviceDesktop } from '@tabler/icons-react';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/sites';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';
import { SitesTable, useSitePage } from '@/sites/sites-table';
import { Presets, StateCounts } from '@/sites/state-counts';

export const Route = createFileRoute('/_frame/org/$org/sites/')({
  validateSearch: listSearch,
  component: Sites,
  staticData: { action: 'listSites' },
});

function Sites() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const may = useMay(org);
  const page = useSitePage(org, search);
  return (
    <>
      <PageHeader
        title={t.title}
        description={page.total === undefined ? ' ' : t.counts(formatNumber(page.total), page.total)}
      />
      <Stack gap="sm">
        <StateCounts org={org} search={search} />
        <Presets org={org} />
        <SitesTable
          id="sites"
          org={org}
          label={t.list}
          search={search}
          page={page}
          empty={
            <EmptyState icon={<IconDeviceDesktop />} title={t.empty.title} description={t.empty.description}>
              {may('createSiteProvisioningKey') && (
                <Button
                  renderRoot={(props) => <Link to="/org/$org/provisioning/keys/new" params={{ org }} {...props} />}
                >
                  {t.empty.action}
                </Button>
              )}
            </EmptyState>
          }
        />
      </Stack>
    </>
  );
}
