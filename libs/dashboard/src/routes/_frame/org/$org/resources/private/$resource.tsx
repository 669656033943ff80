import { Alert, Button, Paper, SimpleGrid, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useQueries, useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/resources';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { ifMatch } from '@/api/versions';
import { confirmByName } from '@/kit/confirm';
import { Failure } from '@/kit/failure';
import { formatList } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { toastDone, toastProblem } from '@/kit/toasts';
import { useIsPhone } from '@/kit/use-is-phone';
import { VersionedForm } from '@/kit/versioned-form';
import { GrantForm, useGrantees } from '@/resources/grants';
import { PrivateFields, privateBodyOf, privateValuesOf } from '@/resources/private-form';
import { type PrivateResource, privateChanged, privateQuery } from '@/resources/queries';
import { useMay } from '@/session/session';
import { siteQuery } from '@/sites/queries';

/** One private resource: what it leads to, through which sites, and who may use it. */
export const Route = createFileRoute('/_frame/org/$org/resources/private/$resource')({
  component: PrivatePage,
  staticData: { action: 'getSiteResource' },
});

const texts = t.private;

function PrivatePage() {
  const params = Route.useParams();
  const { org } = params;
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const { data, error, refetch } = useQuery(privateQuery(Number(params.resource)));
  if (error && !data) return <Failure error={error} retry={refetch} />;
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/resources/private" params={{ org }}>
            {texts.back}
          </PageLink>
        }
        title={data?.name ?? ' '}
        description={
          data &&
          [
            texts.modes[data.mode],
            data.alias ?? data.fullDomain ?? data.destination,
            data.enabled ? t.enabled : t.disabled,
          ].join(' · ')
        }
        actions={
          data &&
          may('deleteSiteResource') && (
            <Button
              variant="default"
              c="var(--mantine-color-error)"
              onClick={() =>
                remove(data, may('updateSiteResource'), () =>
                  navigate({ to: '/org/$org/resources/private', params: { org } }),
                )
              }
            >
              {t.delete}
            </Button>
          )
        }
      />
      {data ? (
        <>
          {data.drift.length > 0 && (
            <Alert color="orange" variant="outline" mb="md">
              {t.drift(formatList(data.drift.map(({ field }) => field)))}
            </Alert>
          )}
          <SimpleGrid cols={{ base: 1, md: 2 }} style={{ alignItems: 'start' }}>
            <Paper withBorder p="lg">
              <Title order={2} mb="sm">
                {texts.settings}
              </Title>
              <Settings key={data.siteResourceId} resource={data} />
            </Paper>
            {may('listResourceRoles') && <Access key={`access ${data.siteResourceId}`} resource={data} />}
          </SimpleGrid>
        </>
      ) : (
        <Skeleton h={360} />
      )}
    </>
  );
}

async function setEnabled({ siteResourceId }: PrivateResource, enabled: boolean): Promise<void> {
  await api.POST('/site-resource/{siteResourceId}', { params: { path: { siteResourceId } }, body: { enabled } });
  await privateChanged();
}

function remove(resource: PrivateResource, mayDisable: boolean, leave: () => Promise<unknown>): void {
  const { siteResourceId, name, enabled } = resource;
  confirmByName({
    title: texts.deleteTitle(name),
    consequence: texts.deleteConsequence,
    name,
    confirmLabel: t.delete,
    onConfirm: async () => {
      await api.DELETE('/site-resource/{siteResourceId}', {
        params: { path: { siteResourceId }, header: ifMatch(resource) },
      });
      toastDone(texts.deleted(name));
      await leave();
      await privateChanged();
    },
    ...(mayDisable && enabled
      ? {
          gentler: {
            label: t.public.gentler,
            onChoose: () =>
              void setEnabled(resource, false)
                .then(() => toastDone(t.public.wasDisabled(name), () => setEnabled(resource, true)))
                .catch(toastProblem),
          },
        }
      : {}),
  });
}

function Settings({ resource }: { resource: PrivateResource }) {
  const { siteResourceId, orgId } = resource;
  const may = useMay(orgId);
  const isPhone = useIsPhone();
  const mayChange = may('updateSiteResource');
  // A private resource says the ids of its sites only.
  const known = useQueries({
    queries: resource.siteIds.map((siteId) => ({ ...siteQuery(String(siteId)), enabled: may('getSite') })),
    combine: (sites) => sites.flatMap(({ data }) => (data ? [{ value: String(data.siteId), label: data.name }] : [])),
  });
  return (
    <VersionedForm
      read={resource}
      valuesOf={privateValuesOf}
      labels={texts.labels}
      readOnly={!mayChange || isPhone}
      readAgain={() => queryClient.fetchQuery({ ...privateQuery(siteResourceId), staleTime: 0 })}
      save={async (changed, header) => {
        await api.POST('/site-resource/{siteResourceId}', {
          params: { path: { siteResourceId }, header },
          body: privateBodyOf(changed),
        });
        toastDone(texts.saved(changed.name ?? resource.name));
        await privateChanged();
      }}
    >
      {(form) => (
        <>
          {mayChange && isPhone && <Alert variant="outline">{common.readOnlyOnPhone}</Alert>}
          <PrivateFields org={orgId} form={form} known={known} mode={resource.mode} />
        </>
      )}
    </VersionedForm>
  );
}

function Access({ resource: { siteResourceId, orgId } }: { resource: PrivateResource }) {
  const may = useMay(orgId);
  const grantees = useGrantees(orgId);
  const params = { path: { siteResourceId } };
  const roleOptions = $api.queryOptions('get', '/site-resource/{siteResourceId}/roles', { params });
  const userOptions = $api.queryOptions('get', '/site-resource/{siteResourceId}/users', { params });
  const clientOptions = $api.queryOptions('get', '/site-resource/{siteResourceId}/clients', { params });
  const mayListUsers = may('listResourceUsers');
  const { data: roles } = useQuery(roleOptions);
  const { data: users } = useQuery({ ...userOptions, enabled: mayListUsers });
  const { data: clients } = useQuery({ ...clientOptions, enabled: mayListUsers });
  const granted = roles?.roles.filter(({ isAdmin }) => !isAdmin);
  return (
    <Paper withBorder p="lg">
      <Title order={2} mb="sm">
        {texts.access}
      </Title>
      <Stack>
        <Text size="sm">{t.access.privateIntro}</Text>
        {granted ? (
          <GrantForm
            key={`roles ${JSON.stringify(granted.map(({ roleId }) => roleId))}`}
            label={t.access.roles}
            granted={granted.map(({ roleId, name }) => ({ id: String(roleId), name }))}
            offered={grantees.roles}
            readOnly={!may('setResourceRoles')}
            save={async (ids) => {
              await api.POST('/site-resource/{siteResourceId}/roles', { params, body: { roleIds: ids.map(Number) } });
              await queryClient.invalidateQueries({ queryKey: roleOptions.queryKey });
            }}
          />
        ) : (
          <Skeleton h={120} />
        )}
        {users && (
          <GrantForm
            key={`users ${JSON.stringify(users.users.map(({ userId }) => userId))}`}
            label={t.access.users}
            granted={users.users.map(({ userId, email, username }) => ({ id: userId, name: email ?? username }))}
            offered={grantees.users}
            readOnly={!may('setResourceUsers')}
            save={async (userIds) => {
              await api.POST('/site-resource/{siteResourceId}/users', { params, body: { userIds } });
              await queryClient.invalidateQueries({ queryKey: userOptions.queryKey });
            }}
          />
        )}
        {clients && (
          <GrantForm
            key={`clients ${JSON.stringify(clients.clients.map(({ clientId }) => clientId))}`}
            label={t.access.clients}
            granted={clients.clients.map(({ clientId, name }) => ({ id: String(clientId), name }))}
            offered={grantees.clients}
            readOnly={!may('setResourceUsers')}
            save={async (ids) => {
              await api.POST('/site-resource/{siteResourceId}/clients', {
                params,
                body: { clientIds: ids.map(Number) },
              });
              await queryClient.invalidateQueries({ queryKey: clientOptions.queryKey });
            }}
          />
        )}
      </Stack>
    </Paper>
  );
}
