import { Alert, Button, Group, Text } from '@mantine/core';
import { IconPlayerPause } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { t } from '@texts/overview';
import { api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { orgQuery } from '@/orgs/org-query';
import { useMay } from '@/session/session';

async function setPaused(orgId: string, paused: boolean): Promise<void> {
  const params = { path: { orgId } };
  await (paused
    ? api.POST('/org/{orgId}/claims/pause', { params })
    : api.POST('/org/{orgId}/claims/resume', { params }));
  await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}'] });
}

async function change(orgId: string, paused: boolean): Promise<void> {
  try {
    await setPaused(orgId, paused);
    toastDone(paused ? t.paused.done : t.paused.resumed, () => setPaused(orgId, !paused));
  } catch (error) {
    toastProblem(error);
  }
}

function useOrg(org: string) {
  const may = useMay(org);
  return useQuery({ ...orgQuery(org), enabled: may('getOrg') }).data?.org;
}

/** Stops every claim, for who may: it can be undone. */
export function PauseClaims({ org }: { org: string }) {
  const may = useMay(org);
  const data = useOrg(org);
  if (!data || data.claimsPausedAt !== null || data.closedAt !== null || !may('pauseClaims')) return null;
  return (
    <Button variant="default" leftSection={<IconPlayerPause size={16} />} onClick={() => void change(org, true)}>
      {t.paused.pause}
    </Button>
  );
}

/** That claims are stopped, by whom and since when. */
export function ClaimsPaused({ org }: { org: string }) {
  const may = useMay(org);
  const data = useOrg(org);
  if (!data?.claimsPausedAt) return null;
  return (
    <Alert color="orange" variant="outline" icon={<IconPlayerPause />} role="status">
      <Group justify="space-between" gap="sm">
        <Text size="sm" component="div">
          {t.paused.by(data.claimsPausedBy ?? '')} <Time at={data.claimsPausedAt} />
        </Text>
        {may('pauseClaims') && (
          <Button size="compact-sm" onClick={() => void change(org, false)}>
            {t.paused.resume}
          </Button>
        )}
      </Group>
    </Alert>
  );
}
