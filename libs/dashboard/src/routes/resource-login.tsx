import { Button, Stack, Text, Title } from '@mantine/core';
import { IconLinkOff, IconLock } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, useLocation } from '@tanstack/react-router';
import { t } from '@texts/resource-login';
import { useEffect } from 'react';
import { api } from '@/api/client';
import { isProblem } from '@/api/problem';
import { EmptyState } from '@/kit/empty';
import { LoginForm } from '@/session/login-form';
import { Alone } from '@/shell/alone';

/** Where a public resource sends who is to log in. What it asks is behind `#`, which no browser sends. */
export const Route = createFileRoute('/resource-login')({ component: ResourceLogin });

function ResourceLogin() {
  const request = new URLSearchParams(useLocation().hash).get('request');
  return (
    <Alone title={t.title}>
      {request === null ? (
        <EmptyState icon={<IconLinkOff />} title={t.ended.title} description={t.ended.description} />
      ) : (
        <Answer key={request} request={request} />
      )}
    </Alone>
  );
}

function Answer({ request }: { request: string }) {
  const host = hostOf(request);
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ['resource-login', request],
    // Each answer is good once, and for a minute.
    queryFn: async () => (await api.POST('/auth/resource-login', { body: { request } })).data!,
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  useEffect(() => {
    if (data) location.replace(data.location);
  }, [data]);
  if (isProblem(error, 'unauthenticated'))
    return (
      <Stack>
        <Title order={1}>{t.title}</Title>
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          {t.intro(host)}
        </Text>
        <LoginForm onLoggedIn={() => refetch()} />
      </Stack>
    );
  if (isProblem(error, 'permission_denied'))
    return <EmptyState icon={<IconLock />} title={t.forbidden.title} description={t.forbidden.description(host)} />;
  if (isProblem(error, 'validation'))
    return <EmptyState icon={<IconLinkOff />} title={t.ended.title} description={t.ended.description} />;
  return (
    <Stack>
      <Title order={1}>{t.title}</Title>
      <Text style={{ overflowWrap: 'anywhere' }} role="status">
        {isProblem(error) ? error.message : t.going(host)}
      </Text>
      {error !== null && (
        <Button onClick={() => refetch()} loading={isFetching}>
          {t.failed}
        </Button>
      )}
    </Stack>
  );
}

/** As the request names it: the server reads it too, and believes only what is signed. */
function hostOf(request: string): string {
  try {
    const text = atob(request.split('.')[0]!.replaceAll('-', '+').replaceAll('_', '/'));
    const [, origin] = JSON.parse(text) as [number, string];
    return new URL(origin).host;
  } catch {
    return '';
  }
}
