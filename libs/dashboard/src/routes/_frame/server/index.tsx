import { Anchor, Badge, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { IconBuilding, IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link, useNavigate } from '@tanstack/react-router';
import { t } from '@texts/server';
import { useState } from 'react';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { ApiForm } from '@/kit/form';
import { Time } from '@/kit/time';
import { toastDone } from '@/kit/toasts';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';

export const Route = createFileRoute('/_frame/server/')({ validateSearch: listSearch, component: ServerOrganizations });

type Org = components['schemas']['OrgListItem'];

function ServerOrganizations() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const [creating, { open, close }] = useDisclosure();
  const query = useQuery(
    $api.queryOptions('get', '/orgs', { params: { query: { page: search.page, pageSize: PAGE_SIZE } } }),
  );
  const button = (
    <Button leftSection={<IconPlus size={16} />} onClick={open}>
      {t.organizations.create}
    </Button>
  );
  const name = ({ orgId, name, closedAt }: Org) => (
    <Group gap="xs">
      <Anchor
        fw={500}
        size="sm"
        style={{ overflowWrap: 'anywhere' }}
        renderRoot={(props) => <Link to="/org/$org" params={{ org: orgId }} {...props} />}
      >
        {name}
      </Anchor>
      {closedAt !== null && (
        <Badge variant="outline" color="orange" tt="none" fw={400}>
          {t.organizations.closed}
        </Badge>
      )}
    </Group>
  );
  const columns: Column<Org>[] = [
    { key: 'name', title: t.organizations.columns.name, render: name },
    {
      key: 'orgId',
      title: t.organizations.columns.orgId,
      render: ({ orgId }) => <CopyId id={orgId} what={t.organizations.columns.orgId} />,
    },
    { key: 'subnet', title: t.organizations.columns.subnet, render: ({ subnet }) => subnet },
    {
      key: 'createdAt',
      title: t.organizations.columns.createdAt,
      render: ({ createdAt }) => <Time at={createdAt} />,
      width: 140,
    },
  ];
  return (
    <Stack gap="sm">
      <Group justify="flex-end">{button}</Group>
      <ListTable
        id="server-orgs"
        label={t.organizations.list}
        query={query}
        rows={query.data?.orgs}
        total={query.data?.pagination.total}
        rowId={({ orgId }) => orgId}
        columns={columns}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        exported={{ path: '/orgs' }}
        card={(org) => (
          <Stack gap={4}>
            {name(org)}
            <Text size="sm" c="dimmed">
              {org.orgId}
            </Text>
          </Stack>
        )}
        empty={
          <EmptyState
            icon={<IconBuilding />}
            title={t.organizations.empty.title}
            description={t.organizations.empty.description}
          />
        }
      />
      <Modal opened={creating} onClose={close} title={t.organizations.form.title}>
        <OrgForm />
      </Modal>
    </Stack>
  );
}

function OrgForm() {
  const navigate = useNavigate();
  const [idempotencyKey] = useState(newIdempotencyKey);
  const form = useForm({ initialValues: { name: '', orgId: '', subnet: '', utilitySubnet: '' } });
  const bodyOf = ({ name, orgId, subnet, utilitySubnet }: typeof form.values) => ({
    name,
    orgId,
    ...(subnet === '' ? {} : { subnet }),
    ...(utilitySubnet === '' ? {} : { utilitySubnet }),
  });
  const { form: texts } = t.organizations;
  return (
    <ApiForm
      form={form}
      submitLabel={texts.submit}
      onSubmit={async (values) => {
        const { data } = await api.PUT('/org', {
          params: { header: { 'Idempotency-Key': idempotencyKey } },
          body: bodyOf(values),
        });
        await queryClient.invalidateQueries({ queryKey: ['get', '/orgs'] });
        toastDone(texts.done(data!.name));
        await navigate({ to: '/org/$org', params: { org: data!.orgId } });
      }}
    >
      <TextInput label={texts.name} data-autofocus {...form.getInputProps('name')} />
      <TextInput
        label={texts.orgId}
        description={texts.orgIdHint}
        autoComplete="off"
        spellCheck={false}
        {...form.getInputProps('orgId')}
      />
      <TextInput label={texts.subnet} description={texts.networkHint} {...form.getInputProps('subnet')} />
      <TextInput label={texts.utilitySubnet} description={texts.networkHint} {...form.getInputProps('utilitySubnet')} />
    </ApiForm>
  );
}
