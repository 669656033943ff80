import { createFileRoute, type ErrorComponentProps, Outlet, useMatches } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useLiveEvents } from '@/events/use-live-events';
import { Failure } from '@/kit/failure';
import { setOrganizationInTitle } from '@/kit/page-title';
import { useOrganizations } from '@/orgs/queries';
import { useMay } from '@/session/session';
import { Lacking, NotFound } from '@/shell/refusals';
import { usePendingCount } from '@/sites/queries';

/** Everything below shows one organization: its events keep the page current, and what one may not see says so. */
export const Route = createFileRoute('/_frame/org/$org')({
  component: Organization,
  errorComponent: ({ error, reset }: ErrorComponentProps) => <Failure error={error} retry={reset} />,
  notFoundComponent: () => <NotFound />,
});

function Organization() {
  const { org } = Route.useParams();
  const may = useMay(org);
  const organizations = useOrganizations();
  const current = organizations?.find(({ orgId }) => orgId === org);
  const pending = usePendingCount(org) ?? 0;
  const lacking = useMatches({
    select: (matches) => matches.flatMap(({ staticData }) => staticData.action ?? []).find((action) => !may(action)),
  });
  useLiveEvents(org, may('listEvents'));
  useEffect(() => setOrganizationInTitle(current?.name ?? org, pending), [current?.name, org, pending]);
  useEffect(() => () => setOrganizationInTitle('', 0), []);
  if (organizations && !current) return <NotFound />;
  return lacking === undefined ? <Outlet /> : <Lacking action={lacking} />;
}
