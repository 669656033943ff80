import { Stack, Title } from '@mantine/core';
import { createFileRoute, useRouter } from '@tanstack/react-router';
import { t } from '@texts/login';
import { LoginForm } from '@/session/login-form';
import { Alone } from '@/shell/alone';

export const Route = createFileRoute('/login')({
  // Only an address of this page: `//elsewhere` would be another host.
  validateSearch: ({ to }: Record<string, unknown>): { to?: string } =>
    typeof to === 'string' && /^\/(?![/\\])/.test(to) ? { to } : {},
  component: Login,
});

function Login() {
  const { history } = useRouter();
  const { to = '/' } = Route.useSearch();
  return (
    <Alone title={t.title}>
      <Stack>
        <Title order={1}>{t.title}</Title>
        <LoginForm onLoggedIn={() => history.replace(to)} />
      </Stack>
    </Alone>
  );
}
