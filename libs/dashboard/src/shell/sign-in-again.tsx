import { Modal, Stack, Text } from '@mantine/core';
import { t } from '@texts/login';
import { LoginForm } from '@/session/login-form';
import { useUser } from '@/session/session';

/** The session ended: one dialog above the page, which stays as it is, with what was typed. */
export function SignInAgain() {
  const user = useUser();
  return (
    <Modal
      opened
      onClose={() => undefined}
      title={t.expired.title}
      withCloseButton={false}
      closeOnClickOutside={false}
      closeOnEscape={false}
      zIndex={1000}
      returnFocus
    >
      <Stack>
        <Text size="sm">{t.expired.text}</Text>
        <LoginForm email={user.email} />
      </Stack>
    </Modal>
  );
}
