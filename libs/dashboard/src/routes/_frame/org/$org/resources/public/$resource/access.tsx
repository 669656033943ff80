import { Alert, Paper, Skeleton, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/resources';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { Failure } from '@/kit/failure';
import { GrantForm, useGrantees } from '@/resources/grants';
import { resourceQuery } from '@/resources/queries';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/resources/public/$resource/access')({
  component: Access,
  staticData: { action: 'listResourceRoles' },
});

function Access() {
  const { org, resource } = Route.useParams();
  const resourceId = Number(resource);
  const may = useMay(org);
  const { data: of } = useQuery(resourceQuery(resourceId));
  const grantees = useGrantees(org);
  const params = { path: { resourceId } };
  const roleOptions = $api.queryOptions('get', '/resource/{resourceId}/roles', { params });
  const userOptions = $api.queryOptions('get', '/resource/{resourceId}/users', { params });
  const roles = useQuery(roleOptions);
  const users = useQuery({ ...userOptions, enabled: may('listResourceUsers') });
  if (of && of.mode !== 'http') return <Alert variant="outline">{t.authentication.notHttp}</Alert>;
  if (roles.error && !roles.data) return <Failure error={roles.error} retry={roles.refetch} />;
  if (!roles.data) return <Skeleton h={240} />;
  const grantedRoles = roles.data.roles.filter(({ isAdmin }) => !isAdmin);
  return (
    <Paper withBorder p="lg" maw={640}>
      <Stack>
        <Text size="sm">{t.access.intro}</Text>
        <GrantForm
          key={JSON.stringify(grantedRoles.map(({ roleId }) => roleId))}
          label={t.access.roles}
          granted={grantedRoles.map(({ roleId, name }) => ({ id: String(roleId), name }))}
          offered={grantees.roles}
          readOnly={!may('setResourceRoles')}
          save={async (ids) => {
            await api.POST('/resource/{resourceId}/roles', { params, body: { roleIds: ids.map(Number) } });
            await queryClient.invalidateQueries({ queryKey: roleOptions.queryKey });
          }}
        />
        {users.data && (
          <GrantForm
            key={`users ${JSON.stringify(users.data.users.map(({ userId }) => userId))}`}
            label={t.access.users}
            granted={users.data.users.map(({ userId, email, username }) => ({ id: userId, name: email ?? username }))}
            offered={grantees.users}
            readOnly={!may('setResourceUsers')}
            save={async (userIds) => {
              await api.POST('/resource/{resourceId}/users', { params, body: { userIds } });
              await queryClient.invalidateQueries({ queryKey: userOptions.queryKey });
            }}
          />
        )}
      </Stack>
    </Paper>
  );
}
