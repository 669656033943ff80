import { Button } from '@mantine/core';
import { IconLock, IconMapOff } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { t } from '@texts/shell';
import { EmptyState } from '@/kit/empty';

/** An address that names nothing. */
export function NotFound() {
  return (
    <EmptyState icon={<IconMapOff />} title={t.notFound.title} description={t.notFound.description}>
      <Button renderRoot={(props) => <Link to="/" {...props} />}>{t.notFound.home}</Button>
    </EmptyState>
  );
}

/** What one may not see: which action it needs, or what the API said. */
export function Lacking({ action, message }: { action?: string; message?: string }) {
  return (
    <EmptyState
      icon={<IconLock />}
      title={t.lacking.title}
      description={`${action ? t.lacking.description(action) : message} ${t.lacking.whoGives}`}
    />
  );
}
