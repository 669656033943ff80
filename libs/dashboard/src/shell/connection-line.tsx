import { Alert } from '@mantine/core';
import { IconPlugConnectedX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { t } from '@texts/shell';
import { useEffect, useRef, useSyncExternalStore } from 'react';
import { queryClient } from '@/api/query-client';
import { reachability } from '@/api/reachability';

const ASK_MS = 2000;

/** One calm line while the server does not answer; when it does again, everything on the page is read anew. */
export function ConnectionLine() {
  const lost = useSyncExternalStore(reachability.subscribe, reachability.isLost);
  const was = useRef(false);
  useQuery({
    queryKey: ['connection'],
    queryFn: async () => {
      try {
        reachability.answered((await fetch('/readyz', { headers: { accept: 'application/json' } })).status);
      } catch {
        reachability.failed();
      }
      return null;
    },
    enabled: lost,
    refetchInterval: ASK_MS,
    gcTime: 0,
  });
  useEffect(() => {
    if (was.current && !lost) void queryClient.invalidateQueries();
    was.current = lost;
  }, [lost]);
  return (
    <div role="status">
      {lost && (
        <Alert color="orange" variant="outline" icon={<IconPlugConnectedX />} mb="md" py="xs">
          {t.connectionLost}
        </Alert>
      )}
    </div>
  );
}
