import { Button, Card, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, useNavigate } from '@tanstack/react-router';
import { t } from '@texts/access';
import { t as common } from '@texts/common';
import { ActionPicker } from '@/access/action-picker';
import { apiKeyQuery } from '@/access/queries';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { confirmByName } from '@/kit/confirm';
import { CopyId } from '@/kit/copy';
import { Facts } from '@/kit/facts';
import { Failure } from '@/kit/failure';
import { ApiForm } from '@/kit/form';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { useIsPhone } from '@/kit/use-is-phone';
import { useMay } from '@/session/session';
import type { Action } from '../../../../../../../../contracts/index.js';

export const Route = createFileRoute('/_frame/org/$org/access/api-keys/$key')({
  component: ApiKeyPage,
  staticData: { action: 'getApiKey' },
});

type ApiKey = components['schemas']['ApiKeyView'];

const ALL = 1000;
const actionsQuery = (orgId: string, apiKeyId: string) =>
  $api.queryOptions('get', '/org/{orgId}/api-key/{apiKeyId}/actions', {
    params: { path: { orgId, apiKeyId }, query: { pageSize: ALL } },
  });

const setActions = async (orgId: string, apiKeyId: string, actionIds: Action[]) => {
  await api.POST('/org/{orgId}/api-key/{apiKeyId}/actions', {
    params: { path: { orgId, apiKeyId } },
    body: { actionIds },
  });
  await queryClient.invalidateQueries({ queryKey: actionsQuery(orgId, apiKeyId).queryKey });
};

function ApiKeyPage() {
  const { org, key: id } = Route.useParams();
  const { data, error, refetch } = useQuery(apiKeyQuery(org, id));
  const may = useMay(org);
  const actions = useQuery({ ...actionsQuery(org, id), enabled: may('listApiKeyActions') });
  if (error && !data) return <Failure error={error} retry={refetch} />;
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/access/api-keys" params={{ org }}>
            {t.apiKeys.back}
          </PageLink>
        }
        title={data?.name ?? ' '}
        actions={data && may('deleteApiKey') && <Remove org={org} apiKey={data} />}
      />
      {!data && <Skeleton h={240} />}
      {data && (
        <Stack>
          <Facts
            title={t.apiKeys.facts}
            facts={[
              [t.apiKeys.apiKeyId, <CopyId key="id" id={data.apiKeyId} what={t.apiKeys.apiKeyId} />],
              [t.apiKeys.columns.createdAt, <Time key="created" at={data.createdAt} absolute />],
              [t.apiKeys.columns.createdBy, data.createdBy?.name],
              [t.apiKeys.columns.lastUsedAt, <Time key="used" at={data.lastUsedAt} otherwise={t.apiKeys.unused} />],
              [t.apiKeys.columns.lastUsedFrom, data.lastUsedFrom],
              [t.apiKeys.columns.expiresAt, <Time key="ends" at={data.expiresAt} otherwise={t.apiKeys.noEnd} />],
            ]}
          />
          {may('listApiKeyActions') && (
            <Card withBorder>
              <Title order={2}>{t.apiKeys.actions.title}</Title>
              <Text size="sm" c="dimmed" mb="sm">
                {t.apiKeys.actions.hint}
              </Text>
              {actions.error && !actions.data && <Failure error={actions.error} retry={actions.refetch} />}
              {!actions.data && !actions.error && <Skeleton h={200} />}
              {actions.data && (
                // Actions that somebody else gave meanwhile are what the form begins with.
                <Actions key={actions.data.actionIds.join()} org={org} apiKey={data} held={actions.data.actionIds} />
              )}
            </Card>
          )}
        </Stack>
      )}
    </>
  );
}

function Actions({ org, apiKey, held }: { org: string; apiKey: ApiKey; held: readonly string[] }) {
  const may = useMay(org);
  const form = useForm({ initialValues: { actionIds: held as Action[] } });
  const isPhone = useIsPhone();
  const mayChange = may('setApiKeyActions') && !isPhone;
  return (
    <ApiForm
      form={form}
      submitLabel={t.apiKeys.actions.submit}
      disabled={!mayChange}
      onSubmit={async ({ actionIds }) => {
        await setActions(org, apiKey.apiKeyId, actionIds);
        toastDone(t.apiKeys.actions.done(apiKey.name));
      }}
    >
      {isPhone && may('setApiKeyActions') && <Text size="sm">{common.readOnlyOnPhone}</Text>}
      <ActionPicker
        value={form.values.actionIds}
        onChange={(actionIds) => form.setFieldValue('actionIds', actionIds)}
        mayGive={may}
        readOnly={!mayChange}
        error={form.errors['actionIds']}
      />
    </ApiForm>
  );
}

function Remove({ org, apiKey: { apiKeyId, name } }: { org: string; apiKey: ApiKey }) {
  const navigate = useNavigate();
  const may = useMay(org);
  const empty = async () => {
    try {
      await setActions(org, apiKeyId, []);
      toastDone(t.apiKeys.remove.emptied(name));
    } catch (error) {
      toastProblem(error);
    }
  };
  return (
    <Button
      variant="default"
      c="red"
      onClick={() =>
        confirmByName({
          title: t.apiKeys.remove.title(name),
          consequence: t.apiKeys.remove.consequence,
          name,
          confirmLabel: t.apiKeys.remove.confirm,
          gentler: may('setApiKeyActions') ? { label: t.apiKeys.remove.gentler, onChoose: empty } : undefined,
          onConfirm: async () => {
            await api.DELETE('/org/{orgId}/api-key/{apiKeyId}', { params: { path: { orgId: org, apiKeyId } } });
            await navigate({ to: '/org/$org/access/api-keys', params: { org } });
            await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/api-keys'] });
            toastDone(t.apiKeys.remove.done(name));
          },
        })
      }
    >
      {t.apiKeys.remove.action}
    </Button>
  );
}
