import { Anchor, Badge, Button, Group, Stack, Text, Tooltip } from '@mantine/core';
import { IconUserPlus, IconUsers } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/access';
import { useRoles } from '@/access/queries';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { Time } from '@/kit/time';
import { FilterBox } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/access/people/')({
  validateSearch: listSearch,
  component: People,
  staticData: { action: 'listUsers' },
});

type Person = components['schemas']['MemberView'];

function People() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const roles = useRoles(org);
  const named = filtersOf(search).filter(({ field, negated }) => field === 'role' && !negated);
  const wanted = named.flatMap(({ value }) => roles.filter(({ name }) => name === value).map(({ roleId }) => roleId));
  // No role is called that: nobody holds it.
  const isNobody = named.length > 0 && roles.length > 0 && wanted.length === 0;
  const asked = {
    query: search.q,
    role_id: wanted.length > 0 ? wanted : undefined,
    order: search.sort?.startsWith('-') ? ('desc' as const) : ('asc' as const),
  };
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/users', {
      params: { path: { orgId: org }, query: { ...asked, page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const total = query.data?.pagination.total;
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });

  const name = ({ id, email }: Person) => (
    <Anchor
      fw={500}
      size="sm"
      style={{ overflowWrap: 'anywhere' }}
      renderRoot={(props) => <Link to="/org/$org/access/people/$person" params={{ org, person: id }} {...props} />}
    >
      {email}
    </Anchor>
  );
  const columns: Column<Person>[] = [
    { key: 'username', title: t.people.columns.email, render: name, sortable: true, width: 300 },
    { key: 'name', title: t.people.columns.name, render: (person) => person.name },
    { key: 'roles', title: t.people.columns.roles, render: (person) => <RolesOf person={person} /> },
    {
      key: 'createdAt',
      title: t.people.columns.createdAt,
      render: ({ dateCreated }) => <Time at={dateCreated} />,
      width: 160,
    },
  ];
  return (
    <>
      <PageHeader
        title={t.people.title}
        description={total !== undefined && t.people.counts(formatNumber(total), total)}
        actions={may('inviteUser') && <Invite org={org} />}
      />
      <Stack gap="sm">
        <FilterBox
          label={t.people.list}
          search={search}
          fields={[{ key: 'role', label: t.people.fields.role, values: roles.map(({ name }) => ({ value: name })) }]}
          onChange={go}
        />
        <ListTable
          id="people"
          label={t.people.list}
          query={query}
          rows={isNobody ? [] : query.data?.users}
          total={isNobody ? 0 : total}
          rowId={({ id }) => id}
          columns={columns}
          search={search}
          onSearch={go}
          exported={{ path: `/org/${org}/users`, query: asked }}
          card={(person) => (
            <Stack gap={6}>
              {name(person)}
              {person.name && (
                <Text size="sm" c="dimmed">
                  {person.name}
                </Text>
              )}
              <RolesOf person={person} />
            </Stack>
          )}
          empty={
            <EmptyState icon={<IconUsers />} title={t.people.empty.title} description={t.people.empty.description}>
              {may('inviteUser') && <Invite org={org} />}
            </EmptyState>
          }
        />
      </Stack>
    </>
  );
}

/** The form is on the page of invitations, where the new one appears. */
const Invite = ({ org }: { org: string }) => (
  <Button
    leftSection={<IconUserPlus size={16} />}
    renderRoot={(props) => (
      <Link to="/org/$org/access/invitations" params={{ org }} search={{ invite: '1' }} {...props} />
    )}
  >
    {t.people.invite}
  </Button>
);

function RolesOf({ person: { isOwner, emailVerified, roles } }: { person: Person }) {
  return (
    <Group gap={4}>
      {isOwner && (
        <Badge variant="outline" tt="none">
          {t.people.owner}
        </Badge>
      )}
      {roles.map(({ roleId, roleName }) => (
        <Badge key={roleId} variant="default" tt="none" fw={400} maw={200}>
          {roleName}
        </Badge>
      ))}
      {!emailVerified && (
        <Tooltip label={t.people.unverifiedHint}>
          <Badge variant="outline" color="orange" tt="none" fw={400}>
            {t.people.unverified}
          </Badge>
        </Tooltip>
      )}
    </Group>
  );
}
