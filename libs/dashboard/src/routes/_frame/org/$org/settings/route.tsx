import { createFileRoute, Outlet } from '@tanstack/react-router';
import { t } from '@texts/settings';
import { PageHeader, usePageTabs } from '@/kit/page';
import { useMay } from '@/session/session';
import type { Action } from '../../../../../../../contracts/index.js';

export const Route = createFileRoute('/_frame/org/$org/settings')({
  component: Settings,
  staticData: { action: 'getOrg' },
});

/** Each with what one must be allowed for it to show anything. */
const TABS: readonly (readonly [tab: keyof typeof t.tabs, action: Action])[] = [
  ['organization', 'getOrg'],
  ['approval', 'getOrg'],
  ['addresses', 'listAddressRanges'],
  ['retention', 'getOrg'],
  ['keys', 'getOrg'],
  ['expiring', 'listSites'],
  ['close', 'deleteOrg'],
];

function Settings() {
  const { org } = Route.useParams();
  const may = useMay(org);
  const tabs = usePageTabs(
    '/org/$org/settings',
    TABS.filter(([, action]) => may(action)).map(([tab]) => ({
      label: t.tabs[tab],
      path: tab === 'organization' ? '' : tab,
    })),
  );
  return (
    <>
      <PageHeader title={t.title} tabs={tabs} />
      <Outlet />
    </>
  );
}
