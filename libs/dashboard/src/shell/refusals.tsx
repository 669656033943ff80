import { Button } from '@mantine/core';
import { IconLock, IconMapOff } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { t } from '@texts/shell';
import { useEffect } from 'react';
import { EmptyState } from '@/kit/empty';
import { setPageTitle } from '@/kit/page-title';

/** An address that names nothing. */
export function NotFound() {
  useEffect(() => setPageTitle(t.notFound.title), []);
  return (
    <EmptyState icon={<IconMapOff />} title={t.notFound.title} description={t.notFound.description}>
      <Button renderRoot={(props) => <Link to="/" {...props} />}>{t.notFound.home}</Button>
    </EmptyState>
  );
}

/** What one may not see: which action it needs, or what the API said. */
export function Lacking({ action, message }: { action?: string; message?: string }) {
  useEffect(() => setPageTitle(t.lacking.title), []);
  return (
    <EmptyState
      icon={<IconLock />}
      title={t.lacking.title}
      description={`${action ? t.lacking.description(action) : message} ${t.lacking.whoGives}`}
    />
  );
}
