import { Button, Stack, Text, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconMailOff } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/invite';
import { useState } from 'react';
import { api } from '@/api/client';
import { isProblem } from '@/api/problem';
import { EmptyState } from '@/kit/empty';
import { ApiForm } from '@/kit/form';
import { PasswordField } from '@/kit/password-field';
import { userQuery } from '@/session/session';
import { Alone } from '@/shell/alone';

interface Search {
  token?: string;
  email?: string;
}

/** Where the link of an invitation leads, mailed or handed over. */
export const Route = createFileRoute('/invite')({
  validateSearch: ({ token, email }: Record<string, unknown>): Search => ({
    token: typeof token === 'string' ? token : undefined,
    email: typeof email === 'string' ? email : undefined,
  }),
  component: Invite,
});

function Invite() {
  const { token, email } = Route.useSearch();
  const [joined, setJoined] = useState<string>();
  const [isUnusable, setUnusable] = useState(false);
  if (token === undefined)
    return (
      <Alone title={t.title}>
        <EmptyState icon={<IconMailOff />} title={t.noToken.title} description={t.noToken.description} />
      </Alone>
    );
  if (isUnusable)
    return (
      <Alone title={t.title}>
        <EmptyState icon={<IconMailOff />} title={t.unusable.title} description={t.unusable.description} />
      </Alone>
    );
  return (
    <Alone title={t.title}>
      {joined === undefined ? (
        <Accept token={token} email={email} onJoined={setJoined} onUnusable={() => setUnusable(true)} />
      ) : (
        <Joined orgId={joined} email={email} />
      )}
    </Alone>
  );
}

function Accept({
  token,
  email,
  onJoined,
  onUnusable,
}: {
  token: string;
  email: string | undefined;
  onJoined: (orgId: string) => void;
  onUnusable: () => void;
}) {
  const form = useForm({ mode: 'uncontrolled', initialValues: { password: '' } });
  return (
    <Stack>
      <Title order={1}>{t.title}</Title>
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        {email ? t.intro(email) : t.introUnknown}
      </Text>
      <ApiForm
        withoutCurl
        form={form}
        submitLabel={t.submit}
        onSubmit={async ({ password }) => {
          const { data } = await api.POST('/invite/accept', {
            body: { token, ...(password === '' ? {} : { password }) },
          });
          onJoined(data!.orgId);
        }}
        onProblem={({ code }) => {
          if (code === 'not_found') onUnusable();
          return code === 'not_found';
        }}
      >
        {/* For what a browser keeps passwords by. */}
        <input type="email" name="email" autoComplete="username" value={email ?? ''} readOnly hidden />
        <PasswordField
          label={t.password}
          description={t.passwordHint}
          autoComplete="new-password"
          data-autofocus
          key={form.key('password')}
          {...form.getInputProps('password')}
        />
      </ApiForm>
    </Stack>
  );
}

function Joined({ orgId, email }: { orgId: string; email: string | undefined }) {
  // Whoever is signed in here may be somebody else: accepting begins no session.
  const { data: user, error } = useQuery({ ...userQuery, retry: false });
  const isHere = user !== undefined && !isProblem(error) && user.email === email;
  return (
    <Stack>
      <Title order={1}>{t.done.title}</Title>
      <Text>{isHere ? t.done.here(orgId) : t.done.text(orgId)}</Text>
      {isHere ? (
        // Read anew with the page: what the session knew of memberships is old.
        <Button component="a" href={`/org/${encodeURIComponent(orgId)}`}>
          {t.done.enter}
        </Button>
      ) : (
        <Button
          renderRoot={(props) => <Link to="/login" search={{ to: `/org/${encodeURIComponent(orgId)}` }} {...props} />}
        >
          {t.done.signIn}
        </Button>
      )}
    </Stack>
  );
}
