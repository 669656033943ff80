import { createFileRoute, Outlet, useMatches } from '@tanstack/react-router';
import { t } from '@texts/configuration';
import { PageHeader, usePageTabs } from '@/kit/page';

export const Route = createFileRoute('/_frame/org/$org/configuration/rotations')({
  component: Rotations,
  staticData: { action: 'listSites' },
});

const BASE = '/org/$org/configuration/rotations';

/** The two lists have tabs; one rotation is a page of its own. */
function Rotations() {
  const { rollouts, credentials } = t.rotations.tabs;
  const tabs = usePageTabs(BASE, [
    { label: rollouts, path: '' },
    { label: credentials, path: 'credentials' },
  ]);
  const isOne = useMatches().some(({ routeId }) => routeId.endsWith('/rotations/$job'));
  return (
    <>
      {!isOne && <PageHeader title={t.rotations.title} tabs={tabs} />}
      <Outlet />
    </>
  );
}
