import { Alert, Anchor, Button, Card, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconPlayerPause } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/settings';
import { useState } from 'react';
import { api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { Failure } from '@/kit/failure';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { orgQuery } from '@/orgs/org-query';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/settings/approval')({ component: Approval });

function Approval() {
  const { org } = Route.useParams();
  const may = useMay(org);
  const [busy, setBusy] = useState(false);
  const { data, error, refetch } = useQuery(orgQuery(org));
  if (error && !data) return <Failure error={error} retry={refetch} />;
  if (!data) return <Skeleton h={160} />;
  const { claimsPausedAt, claimsPausedBy } = data.org;
  const path = { params: { path: { orgId: org } } };
  const pause = async () => {
    await api.POST('/org/{orgId}/claims/pause', path);
    await queryClient.invalidateQueries({ queryKey: orgQuery(org).queryKey });
    toastDone(t.approval.paused, resume);
  };
  const resume = async () => {
    await api.POST('/org/{orgId}/claims/resume', path);
    await queryClient.invalidateQueries({ queryKey: orgQuery(org).queryKey });
    toastDone(t.approval.resumed);
  };
  const act = async () => {
    setBusy(true);
    try {
      await (claimsPausedAt === null ? pause() : resume());
    } catch (problem) {
      toastProblem(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Card withBorder maw={760}>
      <Stack>
        <Title order={2}>{t.approval.title}</Title>
        {claimsPausedAt !== null && (
          <Alert color="orange" variant="outline" icon={<IconPlayerPause />} title={t.approval.paused}>
            <Group gap={6}>
              <Time at={claimsPausedAt} />
              {claimsPausedBy && t.approval.by(claimsPausedBy)}
            </Group>
          </Alert>
        )}
        <Text size="sm">{t.approval.text}</Text>
        {may('pauseClaims') && (
          <Group>
            <Button variant={claimsPausedAt === null ? 'default' : 'filled'} loading={busy} onClick={() => void act()}>
              {claimsPausedAt === null ? t.approval.pause : t.approval.resume}
            </Button>
          </Group>
        )}
        <Text size="sm" c="dimmed">
          {t.approval.perKey}{' '}
          {may('listSiteProvisioningKeys') && (
            <Anchor
              size="sm"
              inherit
              underline="always"
              renderRoot={(props) => <Link to="/org/$org/provisioning/keys" params={{ org }} {...props} />}
            >
              {t.approval.toKeys}
            </Anchor>
          )}
        </Text>
      </Stack>
    </Card>
  );
}
