import type { SiteState } from '@/kit/state-badge';

/** The state of a site, in a word, and what it means. */
export const t: Record<SiteState, { label: string; meaning: string }> = {
  pending: { label: 'Pending', meaning: 'Claimed, and waits for somebody to approve it' },
  never_connected: { label: 'Never connected', meaning: 'Approved, and has not been online yet' },
  online: { label: 'Online', meaning: 'Connected now' },
  offline: { label: 'Offline', meaning: 'Was connected, and is not now' },
  suspended: { label: 'Suspended', meaning: 'May not connect until it is resumed' },
  revoked: { label: 'Revoked', meaning: 'Its credential is gone; it may not come back' },
};
