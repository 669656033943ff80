import { Anchor, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { Link } from '@tanstack/react-router';
import { t } from '@texts/login';
import { ApiForm } from '@/kit/form';
import { PasswordField } from '@/kit/password-field';
import { logIn } from './session';

/** E-mail address and password. @param email known already: only the password is asked for, first */
export function LoginForm({ email, onLoggedIn }: { email?: string; onLoggedIn?: () => unknown }) {
  const form = useForm({ mode: 'uncontrolled', initialValues: { email: email ?? '', password: '' } });
  return (
    <ApiForm
      withoutCurl
      form={form}
      submitLabel={t.submit}
      beside={
        email === undefined && (
          <Anchor size="sm" renderRoot={(props) => <Link to="/reset" {...props} />}>
            {t.forgotten}
          </Anchor>
        )
      }
      onSubmit={async (values) => {
        await logIn(values);
        await onLoggedIn?.();
      }}
      onProblem={(problem) => {
        if (problem.code !== 'unauthenticated') return false;
        form.setFieldError('password', problem.message);
        return true;
      }}
    >
      <TextInput
        label={t.email}
        type="email"
        autoComplete="username"
        required
        withAsterisk={false}
        data-autofocus={email === undefined || undefined}
        key={form.key('email')}
        {...form.getInputProps('email')}
      />
      <PasswordField
        label={t.password}
        autoComplete="current-password"
        required
        withAsterisk={false}
        data-autofocus={email !== undefined || undefined}
        key={form.key('password')}
        {...form.getInputProps('password')}
      />
    </ApiForm>
  );
}
