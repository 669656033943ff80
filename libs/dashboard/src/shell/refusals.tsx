import { Button } from '@mantine/core';
import { IconLock, IconMapOff } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { t } from '@texts/shell';
import { useEffect } from 'react';
import { $api } from '@/api/client';
import { EmptyState } from '@/kit/empty';
import { formatList } from '@/kit/formats';
import { setPageTitle } from '@/kit/page-title';
import type { Action } from '../../../contracts/index.js';

/** An address that names nothing. */
export function NotFound() {
  useEffect(() => setPageTitle(t.notFound.title), []);
  return (
    <EmptyState icon={<IconMapOff />} title={t.notFound.title} description={t.notFound.description}>
      <Button renderRoot={(props) => <Link to="/" {...props} />}>{t.notFound.home}</Button>
    </EmptyState>
  );
}

/** What one may not see: which action it needs and who has it, or what the API said. */
export function Lacking({ action, message }: { action?: Action; message?: string }) {
  const { org } = useParams({ strict: false });
  useEffect(() => setPageTitle(t.lacking.title), []);
  return (
    <EmptyState
      icon={<IconLock />}
      title={t.lacking.title}
      description={
        <>
          {action ? t.lacking.description(action) : message}{' '}
          {action && org !== undefined ? <WhoHas org={org} action={action} /> : t.lacking.whoGives}
        </>
      }
    />
  );
}

/** So many are named; who looks for one to ask needs no more. */
const NAMED = 5;

function WhoHas({ org, action }: { org: string; action: Action }) {
  const { data } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/action-holders', { params: { path: { orgId: org }, query: { action } } }),
  );
  if (!data || data.users.length === 0) return t.lacking.whoGives;
  const names = data.users.slice(0, NAMED).map(({ name, email }) => (name === null ? email : `${name} (${email})`));
  const more = data.total - names.length;
  return t.lacking.whoHas(
    formatList(data.roles.map(({ name }) => name)),
    formatList(more > 0 ? [...names, t.lacking.more(more)] : names),
  );
}
