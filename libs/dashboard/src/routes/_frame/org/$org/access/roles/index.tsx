import { Anchor, Badge, Button, Group, Modal, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus, IconUsersGroup } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link, useNavigate } from '@tanstack/react-router';
import { t } from '@texts/access';
import { useState } from 'react';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { EmptyState } from '@/kit/empty';
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { toastDone } from '@/kit/toasts';
import { FilterBox } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { type ListSearch, listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/access/roles/')({
  validateSearch: listSearch,
  component: Roles,
  staticData: { action: 'listRoles' },
});

type Role = components['schemas']['RoleListItem'];

function Roles() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const [creating, { open, close }] = useDisclosure();
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/roles', {
      params: {
        path: { orgId: org },
        query: {
          query: search.q,
          page: search.page,
          pageSize: PAGE_SIZE,
          order: search.sort?.startsWith('-') ? ('desc' as const) : ('asc' as const),
        },
      },
    }),
  );
  const total = query.data?.pagination.total;
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const button = may('createRole') && (
    <Button leftSection={<IconPlus size={16} />} onClick={open}>
      {t.roles.create}
    </Button>
  );
  const name = ({ roleId, name, isAdmin }: Role) => (
    <Group gap="xs">
      <Anchor
        fw={500}
        size="sm"
        style={{ overflowWrap: 'anywhere' }}
        renderRoot={(props) => (
          <Link to="/org/$org/access/roles/$role" params={{ org, role: String(roleId) }} {...props} />
        )}
      >
        {name}
      </Anchor>
      {isAdmin && (
        <Badge variant="outline" tt="none">
          {t.roles.admin}
        </Badge>
      )}
    </Group>
  );
  const columns: Column<Role>[] = [
    { key: 'name', title: t.roles.columns.name, render: name, sortable: true },
    { key: 'description', title: t.roles.columns.description, render: ({ description }) => description },
  ];
  return (
    <>
      <PageHeader
        title={t.roles.title}
        description={total !== undefined && t.roles.counts(formatNumber(total), total)}
        actions={button}
      />
      <Stack gap="sm">
        <FilterBox label={t.roles.list} search={search} fields={[]} onChange={go} />
        <ListTable
          id="roles"
          label={t.roles.list}
          query={query}
          rows={query.data?.roles}
          total={total}
          rowId={({ roleId }) => roleId}
          columns={columns}
          search={search}
          onSearch={go}
          exported={{ path: `/org/${org}/roles`, query: { query: search.q } }}
          card={(role) => (
            <Stack gap={4}>
              {name(role)}
              <Text size="sm" c="dimmed">
                {role.description}
              </Text>
            </Stack>
          )}
          empty={
            <EmptyState icon={<IconUsersGroup />} title={t.roles.empty.title} description={t.roles.empty.description}>
              {button}
            </EmptyState>
          }
        />
      </Stack>
      <Modal opened={creating} onClose={close} title={t.roles.form.title}>
        <RoleForm org={org} />
      </Modal>
    </>
  );
}

function RoleForm({ org }: { org: string }) {
  const navigate = useNavigate();
  const [idempotencyKey] = useState(newIdempotencyKey);
  const form = useForm({ initialValues: { name: '', description: '' } });
  const bodyOf = ({ name, description }: typeof form.values) => ({ name, description: description || null });
  return (
    <ApiForm
      form={form}
      submitLabel={t.roles.form.submit}
      onSubmit={async (values) => {
        const { data } = await api.PUT('/org/{orgId}/role', {
          params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
          body: bodyOf(values),
        });
        await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/roles'] });
        toastDone(t.roles.form.done(data!.name));
        await navigate({ to: '/org/$org/access/roles/$role', params: { org, role: String(data!.roleId) } });
      }}
    >
      <TextInput label={t.roles.form.name} data-autofocus {...form.getInputProps('name')} />
      <Textarea label={t.roles.form.description} autosize minRows={2} {...form.getInputProps('description')} />
      <Text size="sm" c="dimmed">
        {t.roles.form.next}
      </Text>
    </ApiForm>
  );
}
