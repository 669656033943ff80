import { t } from '@texts/pending';
import { type PageTab, usePageTabs } from '@/kit/page';

/** What waits: for a decision, or for the claim of a device. */
export const usePendingTabs = (): PageTab[] =>
  usePageTabs('/org/$org/provisioning/pending', [
    { label: t.tabs.sites, path: '' },
    { label: t.tabs.replacements, path: 'replacements' },
  ]);
