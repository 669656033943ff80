import { Anchor, Button, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconLinkOff } from '@tabler/icons-react';
import { createFileRoute, Link, useLocation } from '@tanstack/react-router';
import { t } from '@texts/reset';
import { useState } from 'react';
import { api } from '@/api/client';
import type { components } from '@/api/types';
import { EmptyState } from '@/kit/empty';
import { ApiForm } from '@/kit/form';
import { formatList } from '@/kit/formats';
import { PasswordField } from '@/kit/password-field';
import { Alone } from '@/shell/alone';

/** Where the mailed link leads; without a token, where one asks for it. The token is behind `#`, which no browser sends. */
export const Route = createFileRoute('/reset')({ component: Reset });

function Reset() {
  const token = new URLSearchParams(useLocation().hash).get('token');
  return token === null ? <Request /> : <Confirm key={token} token={token} />;
}

function Request() {
  const [sent, setSent] = useState(false);
  const form = useForm({ mode: 'uncontrolled', initialValues: { email: '' } });
  const back = (
    <Anchor size="sm" renderRoot={(props) => <Link to="/login" {...props} />}>
      {t.request.back}
    </Anchor>
  );
  return (
    <Alone title={t.request.title}>
      <Stack>
        <Title order={1}>{t.request.title}</Title>
        {sent ? (
          <>
            <Text role="status">{t.request.sent}</Text>
            {back}
          </>
        ) : (
          <>
            <Text size="sm">{t.request.text}</Text>
            <ApiForm
              withoutCurl
              form={form}
              submitLabel={t.request.submit}
              beside={back}
              onSubmit={async (body) => {
                await api.POST('/auth/reset-password/request', { body });
                setSent(true);
              }}
            >
              <TextInput
                label={t.request.email}
                type="email"
                autoComplete="username"
                data-autofocus
                key={form.key('email')}
                {...form.getInputProps('email')}
              />
            </ApiForm>
          </>
        )}
      </Stack>
    </Alone>
  );
}

function Confirm({ token }: { token: string }) {
  const [done, setDone] = useState<components['schemas']['VerifiedEmail']>();
  const [isUnusable, setUnusable] = useState(false);
  const form = useForm({ mode: 'uncontrolled', initialValues: { newPassword: '' } });
  if (isUnusable)
    return (
      <Alone title={t.unusable.title}>
        <EmptyState icon={<IconLinkOff />} title={t.unusable.title} description={t.unusable.description}>
          <Button renderRoot={(props) => <Link to="/reset" {...props} />}>{t.unusable.again}</Button>
        </EmptyState>
      </Alone>
    );
  if (done)
    return (
      <Alone title={t.done.title}>
        <Stack>
          <Title order={1}>{t.done.title}</Title>
          <Text style={{ overflowWrap: 'anywhere' }}>{t.done.text(done.email)}</Text>
          {done.left.length > 0 && <Text>{t.done.left(formatList(done.left.map(({ orgName }) => orgName)))}</Text>}
          <Button renderRoot={(props) => <Link to="/login" {...props} />}>{t.done.signIn}</Button>
        </Stack>
      </Alone>
    );
  return (
    <Alone title={t.confirm.title}>
      <Stack>
        <Title order={1}>{t.confirm.title}</Title>
        <Text size="sm">{t.confirm.text}</Text>
        <ApiForm
          withoutCurl
          form={form}
          submitLabel={t.confirm.submit}
          onSubmit={async ({ newPassword }) => {
            const { data } = await api.POST('/auth/reset-password/confirm', { body: { token, newPassword } });
            setDone(data);
          }}
          onProblem={({ code }) => {
            if (code === 'not_found') setUnusable(true);
            return code === 'not_found';
          }}
        >
          <PasswordField
            label={t.confirm.password}
            description={t.confirm.hint}
            autoComplete="new-password"
            data-autofocus
            key={form.key('newPassword')}
            {...form.getInputProps('newPassword')}
          />
        </ApiForm>
      </Stack>
    </Alone>
  );
}
