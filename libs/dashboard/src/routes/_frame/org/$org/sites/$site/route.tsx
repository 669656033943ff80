import { Anchor } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link, Outlet } from '@tanstack/react-router';
import { t } from '@texts/sites';
import { Failure } from '@/kit/failure';
import { formatDuration } from '@/kit/formats';
import { PageHeader, usePageTabs } from '@/kit/page';
import { StateBadge } from '@/kit/state-badge';
import { useMinute } from '@/kit/time';
import { type SiteView, siteQuery } from '@/sites/queries';

/** One site: its sentence, and its tabs. A tab is there as soon as its route is. */
export const Route = createFileRoute('/_frame/org/$org/sites/$site')({
  component: Site,
  staticData: { action: 'getSite' },
});

const TABS = ['overview', 'diagnosis', 'sessions', 'resources', 'configuration', 'events', 'settings'] as const;

function Site() {
  const { org, site } = Route.useParams();
  const { data, error, refetch } = useQuery(siteQuery(site));
  const now = useMinute();
  const tabs = usePageTabs(
    '/org/$org/sites/$site',
    TABS.map((tab) => ({ label: t.site.tabs[tab], path: tab === 'overview' ? '' : tab })),
  );
  if (error && !data) return <Failure error={error} retry={refetch} />;
  return (
    <>
      <PageHeader
        above={
          <Anchor size="sm" renderRoot={(props) => <Link to="/org/$org/sites" params={{ org }} {...props} />}>
            {t.site.back}
          </Anchor>
        }
        title={data?.name ?? ' '}
        icon={data && <StateBadge state={data.state} />}
        description={data && sentenceOf(data, now)}
        tabs={tabs}
      />
      {data && <Outlet />}
    </>
  );
}

/** What there is to say of a site, in one sentence. */
function sentenceOf({ state, lastSeenAt, agentVersion }: SiteView, now: number): string {
  if (state === 'online') return t.site.sentence.online(agentVersion ?? undefined);
  if (state !== 'offline') return t.site.sentence[state];
  if (!lastSeenAt) return t.site.sentence.offlineSince;
  return t.site.sentence.offline(formatDuration(Math.max(0, (now - Date.parse(lastSeenAt)) / 1000)));
}
