import { SimpleGrid, Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/server';
import { besideApi } from '@/api/beside';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { Facts } from '@/kit/facts';
import { Failure } from '@/kit/failure';
import { formatNumber } from '@/kit/formats';

export const Route = createFileRoute('/_frame/server/version')({ component: Version });

function Version() {
  const agent = useQuery(besideApi<components['schemas']['AgentVersion']>('/agent/version.json'));
  const ready = useQuery(besideApi<components['schemas']['ReadyView']>('/readyz'));
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      {agent.error && !agent.data && <Failure error={agent.error} retry={agent.refetch} />}
      {!agent.data && !agent.error && <Skeleton h={160} />}
      {agent.data && (
        <Facts
          title={t.version.agent}
          facts={[
            [t.version.version, agent.data.version],
            [t.version.sha256, <CopyId key="sha256" id={agent.data.sha256} what={t.version.sha256} />],
            [t.version.size, t.version.bytes(formatNumber(agent.data.bytes))],
          ]}
        />
      )}
      {ready.error && !ready.data && <Failure error={ready.error} retry={ready.refetch} />}
      {!ready.data && !ready.error && <Skeleton h={160} />}
      {ready.data && (
        <Facts
          title={t.version.title}
          facts={[
            [t.version.state, ready.data.status],
            [t.version.database, ready.data.database],
            [t.version.eventFeed, ready.data.eventFeed],
            [t.version.disk, ready.data.disk],
            [t.version.drain, ready.data.drain],
          ]}
        />
      )}
    </SimpleGrid>
  );
}
