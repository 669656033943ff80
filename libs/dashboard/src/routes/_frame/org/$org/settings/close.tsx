import { Alert, Button, Card, Group, List, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, useNavigate } from '@tanstack/react-router';
import { t } from '@texts/settings';
import { t as states } from '@texts/states';
import { api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { confirmByName } from '@/kit/confirm';
import { Failure } from '@/kit/failure';
import { formatNumber } from '@/kit/formats';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { userQuery, useUser } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/settings/close')({
  component: Close,
  staticData: { action: 'deleteOrg' },
});

/** What closing would do, as the server counts it; it changes nothing. */
const closingQuery = (orgId: string) => ({
  queryKey: ['post', '/org/{orgId}/close', { params: { path: { orgId } } }] as const,
  queryFn: async () => {
    const { data } = await api.POST('/org/{orgId}/close', { params: { path: { orgId } }, body: { dryRun: true } });
    return data!;
  },
});

async function refresh(): Promise<void> {
  await queryClient.invalidateQueries();
}

function Close() {
  const { org } = Route.useParams();
  const user = useUser();
  const { data, error, refetch } = useQuery(closingQuery(org));
  if (error && !data) return <Failure error={error} retry={refetch} />;
  if (!data) return <Skeleton h={240} />;
  const { closedAt, closedBy, sites } = data;
  const path = { params: { path: { orgId: org } } };
  const reopen = async () => {
    try {
      await api.POST('/org/{orgId}/reopen', path);
      toastDone(t.close.reopened);
      await refresh();
    } catch (problem) {
      toastProblem(problem);
    }
  };
  const close = () =>
    confirmByName({
      title: t.close.confirm.title(org),
      consequence: t.close.text,
      name: org,
      confirmLabel: t.close.close,
      onConfirm: async () => {
        await api.POST('/org/{orgId}/close', { ...path, body: {} });
        toastDone(t.close.closed, reopen);
        await refresh();
      },
    });
  const counts: (readonly [label: string, count: number])[] = [
    [t.close.counts.sites, sites.total],
    [states.online.label, sites.online],
    [states.offline.label, sites.offline],
    [states.pending.label, sites.pending],
    [t.close.counts.publicResources, data.publicResources],
    [t.close.counts.privateResources, data.privateResources],
    [t.close.counts.members, data.members],
    [t.close.counts.provisioningKeys, data.provisioningKeys],
    [t.close.counts.apiKeys, data.apiKeys],
  ];
  return (
    <Stack maw={760}>
      <Card withBorder>
        <Stack>
          <Title order={2}>{t.close.title}</Title>
          {closedAt !== null && (
            <Alert color="orange" variant="outline" icon={<IconLock />} title={t.close.isClosed}>
              <Group gap={6}>
                <Time at={closedAt} absolute />
                {closedBy && t.close.by(closedBy)}
              </Group>
            </Alert>
          )}
          <Text size="sm">{t.close.text}</Text>
          <div>
            <Text size="sm" fw={600} mb={4}>
              {t.close.there}
            </Text>
            <List size="sm">
              {counts.map(([label, count]) => (
                <List.Item key={label}>{`${label}: ${formatNumber(count)}`}</List.Item>
              ))}
            </List>
          </div>
          <Group>
            {closedAt === null ? (
              <Button color="red.8" onClick={close}>
                {t.close.close}
              </Button>
            ) : (
              <Button onClick={() => void reopen()}>{t.close.reopen}</Button>
            )}
            <Button variant="default" component="a" href={`/api/v1/org/${org}/export`} download>
              {t.close.export}
            </Button>
          </Group>
        </Stack>
      </Card>
      {user.serverAdmin && closedAt !== null && <Delete org={org} />}
    </Stack>
  );
}

/** For good, and only by a server administrator: what is open is closed first, which can be undone. */
function Delete({ org }: { org: string }) {
  const navigate = useNavigate();
  const remove = () =>
    confirmByName({
      title: t.close.delete.title(org),
      consequence: t.close.delete.consequence,
      name: org,
      confirmLabel: t.close.delete.action,
      onConfirm: async () => {
        await api.DELETE('/org/{orgId}', { params: { path: { orgId: org } }, body: { confirm: org } });
        await navigate({ to: '/orgs' });
        toastDone(t.close.delete.done(org));
        await queryClient.invalidateQueries({ queryKey: userQuery.queryKey });
        await queryClient.invalidateQueries({ queryKey: ['get', '/orgs'] });
      },
    });
  return (
    <Card withBorder>
      <Stack>
        <Title order={2}>{t.close.delete.heading}</Title>
        <Text size="sm">{t.close.delete.consequence}</Text>
        <Group>
          <Button variant="default" c="red" onClick={remove}>
            {t.close.delete.action}
          </Button>
        </Group>
      </Stack>
    </Card>
  );
}
