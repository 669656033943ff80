import type { Oddity } from '@/sites/oddities';

/** What is odd about a site, in a few words, and what that means. */
export const t: Record<Oddity, { label: string; meaning: string }> = {
  contested: {
    label: 'Claimed twice',
    meaning: 'Another machine claimed with the same hardware id: one of the two may be a copy',
  },
  duplicate_session: {
    label: 'Two sessions',
    meaning: 'Two machines took the session of this site from each other: one of them is a copy',
  },
  name_taken: { label: 'Name taken', meaning: 'A site of this name was there already' },
  hardware_id_blocked_before: {
    label: 'Blocked before',
    meaning: 'Its hardware id was blocked once, and somebody unblocked it',
  },
  new_network: {
    label: 'New network',
    meaning: 'Nothing had been claimed with its key from this network before',
  },
};
