import { MultiSelect, type MultiSelectProps } from '@mantine/core';
import { t } from '@texts/access';
import { useRoles } from './queries';

/** Roles of an organization, by name; values are their ids, as text. */
export function RoleChoice({ orgId, ...props }: { orgId: string } & Omit<MultiSelectProps, 'data'>) {
  const roles = useRoles(orgId);
  return (
    <MultiSelect
      searchable
      nothingFoundMessage={t.invitations.form.rolesNone}
      data={roles.map(({ roleId, name }) => ({ value: String(roleId), label: name }))}
      {...props}
    />
  );
}
