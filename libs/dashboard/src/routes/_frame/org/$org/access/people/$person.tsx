import { Anchor, Badge, Button, Card, Group, SimpleGrid, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link, useNavigate } from '@tanstack/react-router';
import { t } from '@texts/access';
import { t as logs } from '@texts/logs';
import { userOfOrgQuery } from '@/access/queries';
import { RoleChoice } from '@/access/role-choice';
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
import { RowTable } from '@/kit/row-table';
import { StateDot } from '@/kit/state-dot';
import { Time, useZoneLabel } from '@/kit/time';
import { toastDone } from '@/kit/toasts';
import { useMay, useUser } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/access/people/$person')({
  component: Person,
  staticData: { action: 'getOrgUser' },
});

type OrgUser = components['schemas']['OrgUserView'];

function Person() {
  const { org, person } = Route.useParams();
  const { data, error, refetch } = useQuery(userOfOrgQuery(org, person));
  const may = useMay(org);
  const me = useUser();
  if (error && !data) return <Failure error={error} retry={refetch} />;
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/access/people" params={{ org }}>
            {t.people.back}
          </PageLink>
        }
        title={data?.email ?? ' '}
        description={data && (data.userId === me.userId ? t.people.you : data.name)}
        actions={data && !data.isOwner && may('removeUser') && <Remove org={org} user={data} />}
      />
      {!data && <Skeleton h={240} />}
      {data && (
        <Stack>
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            <Facts
              title={t.people.facts}
              facts={[
                [t.people.columns.name, data.name],
                [t.people.userId, <CopyId key="id" id={data.userId} what={t.people.userId} />],
                [t.people.owner, data.isOwner ? t.people.ownerHint : undefined],
              ]}
            />
            {/* Roles that somebody else gave meanwhile are what the form begins with. */}
            <Roles key={data.roleIds.join()} org={org} user={data} />
          </SimpleGrid>
          {may('listAudit') && <Activity org={org} userId={data.userId} />}
          {may('listClients') && <Devices org={org} email={data.email} userId={data.userId} />}
        </Stack>
      )}
    </>
  );
}

function Roles({ org, user }: { org: string; user: OrgUser }) {
  const may = useMay(org);
  const form = useForm({ initialValues: { roleIds: user.roleIds.map(String) } });
  const mayChange = may('addUserRole') && may('removeUserRole') && may('listRoles');
  const save = async ({ roleIds }: { roleIds: string[] }) => {
    const wanted = roleIds.map(Number);
    const path = (roleId: number) => ({ params: { path: { roleId, userId: user.userId } } });
    try {
      // First what is new: nobody is left without a role on the way.
      for (const roleId of wanted.filter((id) => !user.roleIds.includes(id)))
        await api.POST('/user/{userId}/add-role/{roleId}', path(roleId));
      for (const roleId of user.roleIds.filter((id) => !wanted.includes(id)))
        await api.DELETE('/user/{userId}/remove-role/{roleId}', path(roleId));
      toastDone(t.people.roles.done(user.email));
    } finally {
      await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/user/{userId}'] });
      await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/users'] });
    }
  };
  return (
    <Card withBorder>
      <Title order={2}>{t.people.roles.title}</Title>
      <Text size="sm" c="dimmed" mb="sm">
        {mayChange ? t.people.roles.hint : t.people.roles.cannot}
      </Text>
      {mayChange ? (
        <ApiForm form={form} submitLabel={t.people.roles.submit} onSubmit={save}>
          <RoleChoice orgId={org} aria-label={t.people.roles.title} {...form.getInputProps('roleIds')} />
        </ApiForm>
      ) : (
        <Group gap={4}>
          {user.roles.map(({ roleId, name }) => (
            <Badge key={roleId} variant="default" tt="none" fw={400}>
              {name}
            </Badge>
          ))}
        </Group>
      )}
    </Card>
  );
}

const SHOWN = 10;

/** The latest that the audit has of somebody. */
function Activity({ org, userId }: { org: string; userId: string }) {
  const zone = useZoneLabel();
  const { columns } = logs.audit;
  const { data, error } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/audit', {
      params: { path: { orgId: org }, query: { actorType: 'user', actorId: userId, limit: SHOWN } },
    }),
  );
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{t.people.activity.title}</Title>
        <Anchor
          size="sm"
          renderRoot={(props) => (
            <Link
              to="/org/$org/logs/audit"
              params={{ org }}
              search={{ actorType: 'user', actorId: userId }}
              {...props}
            />
          )}
        >
          {t.people.activity.all}
        </Anchor>
      </Group>
      {error && !data && <Failure error={error} />}
      {!data && !error && <Skeleton h={80} />}
      {data?.audit.length === 0 && (
        <Text size="sm" c="dimmed">
          {t.people.activity.none}
        </Text>
      )}
      {data && data.audit.length > 0 && (
        <RowTable
          label={t.people.activity.title}
          rows={data.audit}
          rowId={({ auditId }) => auditId}
          columns={[
            {
              title: `${columns.createdAt} (${zone})`,
              render: ({ createdAt }) => <Time at={createdAt} absolute />,
            },
            { title: columns.action, render: ({ action }) => action },
            { title: columns.target, render: ({ targetName, targetId }) => targetName ?? targetId },
          ]}
        />
      )}
    </Card>
  );
}

function Devices({ org, email, userId }: { org: string; email: string; userId: string }) {
  const { data, error } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/user-devices', {
      params: { path: { orgId: org }, query: { query: email, pageSize: 50 } },
    }),
  );
  // Found by a part of the address: another one may contain it.
  const devices = data?.devices.filter((device) => device.userId === userId);
  return (
    <Card withBorder>
      <Title order={2} mb="sm">
        {t.people.devices.title}
      </Title>
      {error && !data && <Failure error={error} />}
      {!devices && !error && <Skeleton h={40} />}
      {devices?.length === 0 && (
        <Text size="sm" c="dimmed">
          {t.people.devices.none}
        </Text>
      )}
      {devices && devices.length > 0 && (
        <RowTable
          label={t.people.devices.list}
          rows={devices}
          rowId={({ clientId }) => clientId}
          columns={[
            { title: t.people.devices.columns.name, render: ({ name }) => name },
            { title: t.people.devices.columns.agent, render: ({ agent }) => agent },
            { title: t.people.devices.columns.address, render: ({ subnet }) => subnet },
            {
              title: t.people.devices.columns.online,
              render: ({ online }) =>
                online ? (
                  <StateDot color="teal.6" label={t.people.devices.online} />
                ) : (
                  <StateDot color="gray.5" label={t.people.devices.offline} />
                ),
            },
          ]}
        />
      )}
    </Card>
  );
}

function Remove({ org, user: { userId, email } }: { org: string; user: OrgUser }) {
  const navigate = useNavigate();
  return (
    <Button
      variant="default"
      c="red"
      onClick={() =>
        confirmByName({
          title: t.people.remove.title(email),
          consequence: t.people.remove.consequence,
          name: email,
          confirmLabel: t.people.remove.confirm,
          onConfirm: async () => {
            await api.DELETE('/org/{orgId}/user/{userId}', { params: { path: { orgId: org, userId } } });
            await navigate({ to: '/org/$org/access/people', params: { org } });
            queryClient.removeQueries({ queryKey: userOfOrgQuery(org, userId).queryKey });
            await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/users'] });
            toastDone(t.people.remove.done(email));
          },
        })
      }
    >
      {t.people.remove.action}
    </Button>
  );
}
