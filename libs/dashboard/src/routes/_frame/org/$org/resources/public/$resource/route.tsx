import { Alert, Button } from '@mantine/core';
import { IconExternalLink } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Outlet } from '@tanstack/react-router';
import { t } from '@texts/resources';
import { api } from '@/api/client';
import { ifMatch } from '@/api/versions';
import { confirmByName } from '@/kit/confirm';
import { Failure } from '@/kit/failure';
import { formatList } from '@/kit/formats';
import { PageHeader, usePageTabs } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { toastDone, toastProblem } from '@/kit/toasts';
import { Address, HealthBadge } from '@/resources/parts';
import { type Resource, resourceQuery, resourcesChanged } from '@/resources/queries';
import { useMay } from '@/session/session';

/** One public resource: where it is, how it is, and its tabs. */
export const Route = createFileRoute('/_frame/org/$org/resources/public/$resource')({
  component: ResourcePage,
  staticData: { action: 'getResource' },
});

const TABS = ['overview', 'targets', 'authentication', 'rules', 'access'] as const;

function ResourcePage() {
  const { org, resource } = Route.useParams();
  const { data, error, refetch } = useQuery(resourceQuery(Number(resource)));
  const tabs = usePageTabs(
    '/org/$org/resources/public/$resource',
    TABS.map((tab) => ({ label: t.public.tabs[tab], path: tab === 'overview' ? '' : tab })),
  );
  if (error && !data) return <Failure error={error} retry={refetch} />;
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/resources/public" params={{ org }}>
            {t.public.back}
          </PageLink>
        }
        title={data?.name ?? ' '}
        state={data && <HealthBadge health={data.health} />}
        description={data && <Address of={data} />}
        actions={data && <Actions resource={data} />}
        tabs={tabs}
      />
      {data && data.drift.length > 0 && (
        <Alert color="orange" variant="outline" mb="md">
          {t.drift(formatList(data.drift.map(({ field }) => field)))}
        </Alert>
      )}
      {data && <Outlet />}
    </>
  );
}

async function setEnabled(of: Pick<Resource, 'resourceId' | 'name'>, enabled: boolean): Promise<void> {
  const { resourceId, name } = of;
  await api.POST('/resource/{resourceId}', { params: { path: { resourceId } }, body: { enabled } });
  await resourcesChanged();
  toastDone((enabled ? t.public.wasEnabled : t.public.wasDisabled)(name), () => setEnabled(of, !enabled));
}

function Actions({ resource }: { resource: Resource }) {
  const navigate = Route.useNavigate();
  const may = useMay(resource.orgId);
  const mayChange = may('updateResource');
  const { resourceId, orgId, name, enabled } = resource;
  return (
    <>
      {resource.url !== null && enabled && (
        <Button
          component="a"
          href={resource.url}
          target="_blank"
          rel="noreferrer"
          rightSection={<IconExternalLink size={16} aria-label={t.opensElsewhere} />}
        >
          {t.open}
        </Button>
      )}
      {mayChange && (
        <Button variant="default" onClick={() => void setEnabled(resource, !enabled).catch(toastProblem)}>
          {enabled ? t.public.disable : t.public.enable}
        </Button>
      )}
      {may('deleteResource') && (
        <Button
          variant="default"
          c="var(--mantine-color-error)"
          onClick={() =>
            confirmByName({
              title: t.public.deleteTitle(name),
              consequence: t.public.deleteConsequence,
              name,
              confirmLabel: t.delete,
              onConfirm: async () => {
                await api.DELETE('/resource/{resourceId}', {
                  params: { path: { resourceId }, header: ifMatch(resource) },
                });
                toastDone(t.public.deleted(name));
                await navigate({ to: '/org/$org/resources/public', params: { org: orgId } });
                await resourcesChanged();
              },
              ...(mayChange && enabled
                ? {
                    gentler: {
                      label: t.public.gentler,
                      onChoose: () => void setEnabled(resource, false).catch(toastProblem),
                    },
                  }
                : {}),
            })
          }
        >
          {t.delete}
        </Button>
      )}
    </>
  );
}
