import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link, Outlet, redirect } from '@tanstack/react-router';
import { t } from '@texts/site';
import { t as acts } from '@texts/site-acts';
import { $api } from '@/api/client';
import { Failure } from '@/kit/failure';
import { formatDuration } from '@/kit/formats';
import { PageHeader, usePageTabs } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { StateBadge } from '@/kit/state-badge';
import { useMinute } from '@/kit/time';
import { useMay } from '@/session/session';
import { type Diagnosis, diagnosisQuery, type SiteView, siteQuery } from '@/sites/queries';
import { approve, remove, restart, resume, suspend, tried } from '@/sites/site-acts';
import { WaitingReplacementOf } from '@/sites/waiting-replacement';

/** One site: its sentence, and its tabs. A tab is there as soon as its route is. */
export const Route = createFileRoute('/_frame/org/$org/sites/$site')({
  beforeLoad: async ({ context, params: { org, site }, location }) => {
    if (/^\d+$/.test(site)) return;
    // A niceId leads to the address that stays when it changes.
    const { siteId } = await context.queryClient.ensureQueryData(
      $api.queryOptions('get', '/org/{orgId}/site/{niceId}', { params: { path: { orgId: org, niceId: site } } }),
    );
    const below = location.pathname.split('/').slice(5).join('/');
    throw redirect({ href: `/org/${org}/sites/${siteId}${below && `/${below}`}`, replace: true });
  },
  component: Site,
  staticData: { action: 'getSite' },
});

const TABS = ['overview', 'diagnosis', 'sessions', 'resources', 'configuration', 'events', 'settings'] as const;

function Site() {
  const { org, site } = Route.useParams();
  const { data, error, refetch } = useQuery(siteQuery(site));
  const { data: diagnosis } = useQuery(diagnosisQuery(site));
  const now = useMinute();
  const may = useMay(org);
  const tabs = usePageTabs(
    '/org/$org/sites/$site',
    TABS.filter((tab) => tab !== 'events' || may('listEvents')).map((tab) => ({
      label: t.tabs[tab],
      path: tab === 'overview' ? '' : tab,
    })),
  );
  if (error && !data) return <Failure error={error} retry={refetch} />;
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/sites" params={{ org }}>
            {t.back}
          </PageLink>
        }
        title={data?.name ?? ' '}
        state={data && <StateBadge state={data.state} />}
        description={data ? sentenceOf(data, diagnosis, now) : ' '}
        actions={data && <TwoActions org={org} site={data} />}
        tabs={tabs}
      />
      {data && <WaitingReplacementOf org={org} siteId={data.siteId} />}
      {data && <Outlet />}
    </>
  );
}

/** What there is to say of a site, in one sentence. */
function sentenceOf(site: SiteView, diagnosis: Diagnosis | undefined, now: number): string {
  const since = (at: string | null | undefined) =>
    at ? formatDuration(Math.max(0, (Math.max(now, Date.now()) - Date.parse(at)) / 1000)) : undefined;
  const { state, lastSeenAt, agentVersion, connectedSince, lastDisconnect } = site;
  if (state === 'online') return t.sentence.online(since(connectedSince), agentVersion ?? undefined);
  if (state !== 'offline') return t.sentence[state];
  const refusals = diagnosis?.checks.find(({ check }) => check === 'reclaim')?.state;
  return t.sentence.offline(
    since(lastDisconnect?.at ?? lastSeenAt),
    lastDisconnect ? t.ends[lastDisconnect.reason] : undefined,
    refusals === 'ok' ? t.sentence.nothingRefused : refusals === 'failed' ? t.sentence.wasRefused : undefined,
  );
}

/** What is most likely to be done with a site as it is. */
function TwoActions({ org, site }: { org: string; site: SiteView }) {
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const { state } = site;
  const params = { org, site: String(site.siteId) };
  const diagnose = state !== 'online' && state !== 'pending' && (
    <Button
      variant="default"
      renderRoot={(props) => <Link to="/org/$org/sites/$site/diagnosis" params={params} {...props} />}
    >
      {acts.one.diagnose}
    </Button>
  );
  const replace = (state === 'offline' || state === 'revoked') && may('revokeSite') && may('updateSite') && (
    <Button
      variant="default"
      renderRoot={(props) => <Link to="/org/$org/sites/$site/replace" params={params} {...props} />}
    >
      {acts.one.replace}
    </Button>
  );
  const act = (label: string, does: Parameters<typeof tried>[0], variant: 'default' | 'filled' = 'default') =>
    may('updateSite') && (
      <Button variant={variant} onClick={tried(does, site)}>
        {label}
      </Button>
    );
  return (
    <>
      {state === 'online' && act(acts.one.restart, restart)}
      {(state === 'online' || state === 'never_connected') && act(acts.one.suspend, suspend)}
      {diagnose}
      {replace}
      {state === 'suspended' && act(acts.one.resume, resume, 'filled')}
      {state === 'pending' && may('deleteSite') && (
        <Button
          variant="default"
          c="var(--mantine-color-error)"
          onClick={() => remove(site, () => navigate({ to: '/org/$org/sites', params: { org } }))}
        >
          {acts.one.reject}
        </Button>
      )}
      {state === 'pending' && act(acts.one.approve, approve, 'filled')}
    </>
  );
}
