import { createFileRoute, Outlet } from '@tanstack/react-router';
import { t } from '@texts/blocked';
import { PageHeader, usePageTabs } from '@/kit/page';

/** What may claim nothing, and the sites whose rejection left it. */
export const Route = createFileRoute('/_frame/org/$org/provisioning/blocked')({
  component: Blocked,
  staticData: { action: 'listTombstones' },
});

function Blocked() {
  const tabs = usePageTabs('/org/$org/provisioning/blocked', [
    { label: t.tabs.blocked, path: '' },
    { label: t.tabs.rejections, path: 'rejections' },
  ]);
  return (
    <>
      <PageHeader title={t.title} description={t.description} tabs={tabs} />
      <Outlet />
    </>
  );
}
