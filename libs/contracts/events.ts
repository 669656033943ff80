/** Types of the event feed (issue: audit and events). A type is never renamed. */
export const EVENT_TYPES = [
  'device.provisioned',
  'site.approved',
  'site.rejected',
  'site.suspended',
  'site.revoked',
  'site.expired',
  'site.online',
  'site.offline',
  'site.duplicate_session',
  'claim.contested',
  'key.exhausted',
  'pool.exhausted',
  'member.left',
  'domain.unverified',
  'resource.foreign_target',
  'job.finished',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];
