import {
  Anchor,
  Button,
  Group,
  Loader,
  NumberInput,
  Paper,
  PasswordInput,
  Stack,
  Text,
  TextInput,
  Title,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconCircleCheck, IconLinkOff } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link, Navigate, useLocation } from '@tanstack/react-router';
import { t } from '@texts/setup';
import { type ReactNode, useState } from 'react';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { newIdempotencyKey } from '@/api/versions';
import { useLiveEvents } from '@/events/use-live-events';
import { EmptyState } from '@/kit/empty';
import { ApiForm } from '@/kit/form';
import type { CreatedKey } from '@/provisioning/queries';
import { WaysToEnrol } from '@/provisioning/ways-to-enrol';
import { userQuery } from '@/session/session';
import { Alone } from '@/shell/alone';

/**
 * Where the link leads that the first start prints. The token is behind `#`, which no browser sends; once it was used, `org` says how far one is, so
 * that a reload goes on.
 */
export const Route = createFileRoute('/setup')({
  validateSearch: ({ org }: Record<string, unknown>): { org?: string } => (typeof org === 'string' ? { org } : {}),
  component: Setup,
});

function Setup() {
  const { org } = Route.useSearch();
  const token = new URLSearchParams(useLocation().hash).get('token');
  if (org !== undefined) return <WithOrganization org={org} />;
  return token === null ? <NoLink /> : <You key={token} token={token} />;
}

const STEPS = 3;

function Step({ n, title, children }: { n: number; title: string; children: ReactNode }) {
  return (
    <Alone title={t.title} width={n === STEPS ? 760 : 480}>
      <Stack>
        <div>
          <Text size="sm" c="dimmed">
            {t.step(n, STEPS)}
          </Text>
          <Title order={1}>{title}</Title>
        </div>
        {children}
      </Stack>
    </Alone>
  );
}

function NoLink() {
  return (
    <Alone title={t.title}>
      <EmptyState icon={<IconLinkOff />} title={t.noLink.title} description={t.noLink.text}>
        <Button renderRoot={(props) => <Link to="/login" {...props} />}>{t.noLink.signIn}</Button>
      </EmptyState>
    </Alone>
  );
}

function You({ token }: { token: string }) {
  const navigate = Route.useNavigate();
  const [isUnusable, setUnusable] = useState(false);
  const form = useForm({ mode: 'uncontrolled', initialValues: { email: '', password: '', organizationName: '' } });
  if (isUnusable) return <NoLink />;
  return (
    <Step n={1} title={t.title}>
      <Text size="sm">{t.you.intro}</Text>
      <ApiForm
        form={form}
        submitLabel={t.next}
        onSubmit={async ({ organizationName, ...values }) => {
          const { data } = await api.POST('/setup', {
            body: { token, ...values, ...(organizationName === '' ? {} : { organizationName }) },
          });
          // Whoever was signed in here before is not any more.
          queryClient.clear();
          const { orgId } = data!;
          await (orgId === null
            ? navigate({ to: '/', replace: true })
            : navigate({ search: { org: orgId }, hash: '', replace: true }));
        }}
        onProblem={({ code }) => {
          if (code === 'not_found') setUnusable(true);
          return code === 'not_found';
        }}
      >
        <TextInput
          label={t.you.email}
          description={t.you.emailHint}
          type="email"
          autoComplete="username"
          data-autofocus
          key={form.key('email')}
          {...form.getInputProps('email')}
        />
        <PasswordInput
          label={t.you.password}
          description={t.you.passwordHint}
          autoComplete="new-password"
          key={form.key('password')}
          {...form.getInputProps('password')}
        />
        <TextInput
          label={t.you.organization}
          description={t.you.organizationHint}
          key={form.key('organizationName')}
          {...form.getInputProps('organizationName')}
        />
      </ApiForm>
    </Step>
  );
}

/** What needs the session that the first step began. */
function WithOrganization({ org }: { org: string }) {
  const { data: user, error } = useQuery({ ...userQuery, retry: false });
  const [issued, setIssued] = useState<CreatedKey>();
  if (error) return <Navigate to="/login" search={{ to: `/org/${encodeURIComponent(org)}` }} replace />;
  if (!user) return null;
  return issued ? <FirstMachine org={org} issued={issued} /> : <FirstKey org={org} onIssued={setIssued} />;
}

const HOURS = 24;

function FirstKey({ org, onIssued }: { org: string; onIssued: (issued: CreatedKey) => void }) {
  const [idempotencyKey] = useState(newIdempotencyKey);
  const form = useForm<{ name: string; maxBatchSize: number | '' }>({
    mode: 'uncontrolled',
    initialValues: { name: t.key.suggested, maxBatchSize: 25 },
  });
  return (
    <Step n={2} title={t.key.title}>
      <Text size="sm">{t.key.intro}</Text>
      <ApiForm
        form={form}
        submitLabel={t.key.create}
        beside={<ToDashboard org={org} label={t.key.skip} />}
        onSubmit={async ({ name, maxBatchSize }) => {
          const { data } = await api.PUT('/org/{orgId}/site-provisioning-key', {
            params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
            body: {
              name,
              maxBatchSize: maxBatchSize === '' ? null : maxBatchSize,
              validUntil: new Date(Date.now() + HOURS * 3_600_000).toISOString(),
              approveNewSites: true,
              status: 'active',
            },
          });
          onIssued(data!);
        }}
      >
        <TextInput label={t.key.name} data-autofocus key={form.key('name')} {...form.getInputProps('name')} />
        <NumberInput
          label={t.key.count}
          description={t.key.hint(HOURS)}
          min={1}
          allowDecimal={false}
          key={form.key('maxBatchSize')}
          {...form.getInputProps('maxBatchSize')}
        />
      </ApiForm>
    </Step>
  );
}

function FirstMachine({ org, issued }: { org: string; issued: CreatedKey }) {
  useLiveEvents(org, true);
  const { data } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/sites', {
      params: { path: { orgId: org }, query: { state: 'online', pageSize: 1 } },
    }),
  );
  const site = data?.sites[0];
  return (
    <Step n={STEPS} title={t.machine.title}>
      <Text size="sm">{t.machine.intro}</Text>
      <WaysToEnrol org={org} issued={issued} />
      <Paper withBorder p="md" role="status" style={site && { borderColor: 'var(--mantine-color-teal-6)' }}>
        <Group gap="md" wrap="nowrap">
          {site ? <IconCircleCheck color="var(--mantine-color-teal-6)" /> : <Loader size="sm" color="gray" />}
          <div>
            <Text fw={600} style={{ overflowWrap: 'anywhere' }}>
              {site ? t.machine.connected(site.name) : t.machine.waiting}
            </Text>
            <Text size="sm" c="dimmed">
              {site ? t.machine.more : t.machine.later}
            </Text>
          </div>
        </Group>
      </Paper>
      <Button
        variant={site ? 'filled' : 'default'}
        style={{ alignSelf: 'flex-end' }}
        renderRoot={(props) => <Link to="/org/$org" params={{ org }} {...props} />}
      >
        {t.machine.go}
      </Button>
    </Step>
  );
}

const ToDashboard = ({ org, label }: { org: string; label: string }) => (
  <Anchor size="sm" renderRoot={(props) => <Link to="/org/$org" params={{ org }} {...props} />}>
    {label}
  </Anchor>
);
