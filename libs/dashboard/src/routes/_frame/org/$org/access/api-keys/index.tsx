import { Anchor, Button, Code, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { IconApi, IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/access';
import { useState } from 'react';
import { ActionPicker } from '@/access/action-picker';
import { $api, api } from '@/api/client';
import { ApiProblem } from '@/api/problem';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { EmptyState } from '@/kit/empty';
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { ShownOnce } from '@/kit/shown-once';
import { Time } from '@/kit/time';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { instantOf, UntilField } from '@/provisioning/until-field';
import { useMay } from '@/session/session';
import type { Action } from '../../../../../../../../contracts/index.js';

export const Route = createFileRoute('/_frame/org/$org/access/api-keys/')({
  validateSearch: listSearch,
  component: ApiKeys,
  staticData: { action: 'listApiKeys' },
});

type ApiKey = components['schemas']['ApiKeyView'];

function ApiKeys() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const [creating, { open, close }] = useDisclosure();
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/api-keys', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const total = query.data?.pagination.total;
  const button = may('createApiKey') && (
    <Button leftSection={<IconPlus size={16} />} onClick={open}>
      {t.apiKeys.create}
    </Button>
  );
  const name = ({ apiKeyId, name }: ApiKey) => (
    <Anchor
      fw={500}
      size="sm"
      style={{ overflowWrap: 'anywhere' }}
      renderRoot={(props) => <Link to="/org/$org/access/api-keys/$key" params={{ org, key: apiKeyId }} {...props} />}
    >
      {name}
    </Anchor>
  );
  const columns: Column<ApiKey>[] = [
    { key: 'name', title: t.apiKeys.columns.name, render: name },
    { key: 'key', title: t.apiKeys.columns.key, render: ({ lastChars }) => <Code>…{lastChars}</Code>, width: 90 },
    { key: 'createdBy', title: t.apiKeys.columns.createdBy, render: ({ createdBy }) => createdBy?.name },
    {
      key: 'createdAt',
      title: t.apiKeys.columns.createdAt,
      render: ({ createdAt }) => <Time at={createdAt} />,
      width: 130,
      hidden: true,
    },
    {
      key: 'lastUsedAt',
      title: t.apiKeys.columns.lastUsedAt,
      render: ({ lastUsedAt }) => <Time at={lastUsedAt} otherwise={t.apiKeys.unused} />,
      width: 130,
    },
    { key: 'lastUsedFrom', title: t.apiKeys.columns.lastUsedFrom, render: ({ lastUsedFrom }) => lastUsedFrom },
    {
      key: 'expiresAt',
      title: t.apiKeys.columns.expiresAt,
      render: ({ expiresAt }) => <Time at={expiresAt} otherwise={t.apiKeys.noEnd} />,
      width: 130,
    },
  ];
  return (
    <>
      <PageHeader
        title={t.apiKeys.title}
        description={total !== undefined && t.apiKeys.counts(formatNumber(total), total)}
        actions={button}
      />
      <ListTable
        id="api-keys"
        label={t.apiKeys.list}
        query={query}
        rows={query.data?.apiKeys}
        total={total}
        rowId={({ apiKeyId }) => apiKeyId}
        columns={columns}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        exported={{ path: `/org/${org}/api-keys` }}
        card={(key) => (
          <Stack gap={4}>
            {name(key)}
            <Text size="sm" c="dimmed" component="div">
              {t.apiKeys.columns.lastUsedAt} <Time at={key.lastUsedAt} otherwise={t.apiKeys.unused} /> ·{' '}
              {t.apiKeys.columns.expiresAt} <Time at={key.expiresAt} otherwise={t.apiKeys.noEnd} />
            </Text>
          </Stack>
        )}
        empty={
          <EmptyState icon={<IconApi />} title={t.apiKeys.empty.title} description={t.apiKeys.empty.description}>
            {button}
          </EmptyState>
        }
      />
      <Modal opened={creating} onClose={close} title={t.apiKeys.form.title} size="xl" closeOnClickOutside={false}>
        <ApiKeyForm org={org} />
      </Modal>
    </>
  );
}

type Made = components['schemas']['CreatedApiKey'];

function ApiKeyForm({ org }: { org: string }) {
  const may = useMay(org);
  const [idempotencyKey] = useState(newIdempotencyKey);
  const [made, setMade] = useState<{ key: Made; problem?: string }>();
  const form = useForm({
    initialValues: { name: '', expiresAt: null as string | null, actionIds: [] as Action[] },
  });
  if (made) return <MadeKey org={org} made={made.key} problem={made.problem} />;
  const bodyOf = ({ name, expiresAt }: typeof form.values) => ({ name, expiresAt: instantOf(expiresAt) });
  return (
    <ApiForm
      form={form}
      submitLabel={t.apiKeys.form.submit}
      onSubmit={async (values) => {
        const { data } = await api.PUT('/org/{orgId}/api-key', {
          params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
          body: bodyOf(values),
        });
        // The key is there, whatever becomes of its actions: its secret is shown in any case.
        let problem: string | undefined;
        try {
          if (values.actionIds.length > 0)
            await api.POST('/org/{orgId}/api-key/{apiKeyId}/actions', {
              params: { path: { orgId: org, apiKeyId: data!.apiKeyId } },
              body: { actionIds: values.actionIds },
            });
        } catch (error) {
          if (!(error instanceof ApiProblem)) throw error;
          problem = error.message;
        }
        setMade({ key: data!, problem });
        await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/api-keys'] });
      }}
    >
      <TextInput
        label={t.apiKeys.form.name}
        description={t.apiKeys.form.nameHint}
        data-autofocus
        {...form.getInputProps('name')}
      />
      <UntilField
        label={t.apiKeys.form.expiresAt}
        description={t.apiKeys.form.expiresHint}
        {...form.getInputProps('expiresAt')}
      />
      {may('setApiKeyActions') && (
        <Stack gap="xs">
          <Text fw={500} size="sm">
            {t.apiKeys.form.actions}
          </Text>
          <ActionPicker
            value={form.values.actionIds}
            onChange={(actionIds) => form.setFieldValue('actionIds', actionIds)}
            mayGive={may}
          />
        </Stack>
      )}
    </ApiForm>
  );
}

function MadeKey({ org, made, problem }: { org: string; made: Made; problem: string | undefined }) {
  return (
    <Stack>
      {problem && (
        <Text c="red" role="alert">
          {problem} {t.apiKeys.made.noActions}
        </Text>
      )}
      <ShownOnce
        hint={t.apiKeys.made.once}
        label={t.apiKeys.made.key}
        secret={`${made.apiKeyId}.${made.apiKey}`}
        copyLabel={t.apiKeys.made.copy}
      />
      <Text size="sm" c="dimmed">
        {t.apiKeys.made.use}
      </Text>
      <Group justify="flex-end">
        <Button
          renderRoot={(props) => (
            <Link to="/org/$org/access/api-keys/$key" params={{ org, key: made.apiKeyId }} {...props} />
          )}
        >
          {t.apiKeys.made.toPage}
        </Button>
      </Group>
    </Stack>
  );
}
