/**
 * What becomes of a site, in one word: the same wherever a site's state is told (docs/integration-api.md §3.3). The database keeps it
 * (docs/adr/0070); no program works it out.
 */
export const SITE_STATES = ['pending', 'never_connected', 'online', 'offline', 'suspended', 'revoked'] as const;
export type SiteState = (typeof SITE_STATES)[number];

/** What is odd about a site (docs/claims.md rule 39). The first three are seen at its claim, the others later. */
export const ODDITIES = [
  'name_taken',
  'hardware_id_blocked_before',
  'new_network',
  'contested',
  'duplicate_session',
] as const;
export type Oddity = (typeof ODDITIES)[number];
