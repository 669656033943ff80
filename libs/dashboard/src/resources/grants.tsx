import { MultiSelect, Stack, Text } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { t as common } from '@texts/common';
import { t } from '@texts/resources';
import { $api } from '@/api/client';
import { ApiForm } from '@/kit/form';
import { toastDone } from '@/kit/toasts';
import { useMay } from '@/session/session';
import { ALL } from './queries';

export interface Grant {
  id: string;
  name: string;
}

/** Everybody who could be given access, for who may list them; empty otherwise. */
export function useGrantees(orgId: string): { roles: Grant[]; users: Grant[]; clients: Grant[] } {
  const may = useMay(orgId);
  const params = { path: { orgId }, query: { pageSize: ALL } };
  const roles = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/roles', { params }),
    enabled: may('listRoles'),
  });
  const users = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/users', { params }),
    enabled: may('listUsers'),
  });
  const clients = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/clients', { params }),
    enabled: may('listClients'),
  });
  return {
    // Admin always has access: to name it changes nothing.
    roles: (roles.data?.roles ?? [])
      .filter(({ isAdmin }) => !isAdmin)
      .map(({ roleId, name }) => ({ id: String(roleId), name })),
    users: (users.data?.users ?? []).map(({ id, email, username }) => ({ id, name: email || username })),
    clients: (clients.data?.clients ?? []).map(({ clientId, name }) => ({ id: String(clientId), name })),
  };
}

/** Those of one kind who have access: chosen from all, saved as a whole. */
export function GrantForm({
  label,
  granted,
  offered,
  readOnly,
  save,
}: {
  label: string;
  granted: readonly Grant[];
  offered: readonly Grant[];
  readOnly: boolean;
  save: (ids: string[]) => Promise<unknown>;
}) {
  const form = useForm({ mode: 'uncontrolled', initialValues: { ids: granted.map(({ id }) => id) } });
  // Who was given access and is not offered (one may not list them all) stays with their name.
  const all = [...offered, ...granted.filter(({ id }) => !offered.some((one) => one.id === id))];
  if (readOnly)
    return (
      <Stack gap={4}>
        <Text size="sm" fw={500}>
          {label}
        </Text>
        <Text size="sm">{granted.length > 0 ? granted.map(({ name }) => name).join(', ') : t.access.nobody}</Text>
      </Stack>
    );
  return (
    <ApiForm
      form={form}
      submitLabel={common.save}
      onSubmit={async ({ ids }) => {
        await save(ids);
        toastDone(t.access.saved);
      }}
    >
      <MultiSelect
        label={label}
        searchable
        clearable
        data={all.map(({ id, name }) => ({ value: id, label: name }))}
        key={form.key('ids')}
        {...form.getInputProps('ids')}
      />
    </ApiForm>
  );
}
