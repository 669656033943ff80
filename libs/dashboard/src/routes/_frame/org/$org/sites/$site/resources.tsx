import { Group, Skeleton, Stack, Title } from '@mantine/core';
import { IconRoute } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/site';
import { $api } from '@/api/client';
import { EmptyState } from '@/kit/empty';
import { Failure } from '@/kit/failure';
import { PageLink } from '@/kit/page-link';
import { RowTable } from '@/kit/row-table';
import { ExportMenu } from '@/list/export-menu';
import { HealthBadge } from '@/resources/parts';
import { ALL } from '@/resources/queries';
import { useMay } from '@/session/session';

/** What leads to a site: public resources with a target on it, private ones behind it. */
export const Route = createFileRoute('/_frame/org/$org/sites/$site/resources')({
  component: Resources,
  staticData: { action: 'getSite' },
});

const { columns } = t.resources;
const state = ({ enabled }: { enabled: boolean }) => (enabled ? t.resources.enabled : t.resources.disabled);

function Resources() {
  const { org, site } = Route.useParams();
  const may = useMay(org);
  const [seesPublic, seesPrivate] = [may('listResources'), may('listSiteResources')];
  const publics = useQuery({
    ...$api.queryOptions('get', '/site/{siteId}/resources', {
      params: { path: { siteId: site }, query: { pageSize: ALL } },
    }),
    enabled: seesPublic,
  });
  const privates = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/site/{siteId}/resources', {
      params: { path: { orgId: org, siteId: site }, query: { pageSize: ALL } },
    }),
    enabled: seesPrivate,
  });
  const failed = [publics, privates].find(({ error, data }) => error && !data);
  if (failed) return <Failure error={failed.error} retry={failed.refetch} />;
  const [open, closed] = [publics.data?.resources, privates.data?.siteResources];
  if ((seesPublic && !open) || (seesPrivate && !closed)) return <Skeleton h={200} />;
  if (!open?.length && !closed?.length)
    return <EmptyState icon={<IconRoute />} title={t.resources.none} description={t.resources.noneHint} />;
  return (
    <Stack gap="xl">
      {!!open?.length && (
        <section>
          <Group justify="space-between" mb="sm">
            <Title order={2}>{t.resources.public}</Title>
            <ExportMenu path={`/site/${site}/resources`} />
          </Group>
          <RowTable
            label={t.resources.public}
            rows={open}
            rowId={({ resourceId }) => resourceId}
            columns={[
              {
                title: columns.name,
                render: ({ resourceId, name }) => (
                  <PageLink to="/org/$org/resources/public/$resource" params={{ org, resource: String(resourceId) }}>
                    {name}
                  </PageLink>
                ),
              },
              { title: columns.address, render: ({ fullDomain, proxyPort }) => fullDomain ?? proxyPort },
              { title: columns.state, render: ({ health }) => <HealthBadge health={health} /> },
            ]}
          />
        </section>
      )}
      {!!closed?.length && (
        <section>
          <Group justify="space-between" mb="sm">
            <Title order={2}>{t.resources.private}</Title>
            <ExportMenu path={`/org/${org}/site-resources`} query={{ siteId: site }} />
          </Group>
          <RowTable
            label={t.resources.private}
            rows={closed}
            rowId={({ siteResourceId }) => siteResourceId}
            columns={[
              {
                title: columns.name,
                render: ({ siteResourceId, name }) => (
                  <PageLink
                    to="/org/$org/resources/private/$resource"
                    params={{ org, resource: String(siteResourceId) }}
                  >
                    {name}
                  </PageLink>
                ),
              },
              {
                title: columns.destination,
                render: ({ destination, destinationPort }) =>
                  destinationPort === null ? destination : `${destination}:${destinationPort}`,
              },
              { title: columns.state, render: state },
            ]}
          />
        </section>
      )}
    </Stack>
  );
}
