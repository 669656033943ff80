import { createFileRoute, Outlet } from '@tanstack/react-router';
import { t } from '@texts/server';
import { PageHeader, usePageTabs } from '@/kit/page';
import { useUser } from '@/session/session';
import { Lacking } from '@/shell/refusals';

/** Above all organizations, for server administrators. */
export const Route = createFileRoute('/_frame/server')({ component: Server });

const TABS = ['organizations', 'claims', 'audit', 'version'] as const;

function Server() {
  const { serverAdmin } = useUser();
  const tabs = usePageTabs(
    '/server',
    TABS.map((tab) => ({ label: t.tabs[tab], path: tab === 'organizations' ? '' : tab })),
  );
  if (!serverAdmin) return <Lacking action="listOrgs" />;
  return (
    <>
      <PageHeader title={t.title} tabs={tabs} />
      <Outlet />
    </>
  );
}
