import type { Action } from './scopes.js';

/**
 * What pages show and people change: the beginning, change and end of each is an event, and who reads those holds the action beside
 * `listEvents`. They say which object it was; what it is by now is read from its route (docs/integration-api.md §3.15).
 */
const CHANGED = {
  site: 'listSites',
  key: 'listSiteProvisioningKeys',
  template: 'listProvisioningTemplates',
  profile: 'listProvisioningProfiles',
  resource: 'listResources',
  site_resource: 'listSiteResources',
  target: 'listTargets',
  rule: 'listResourceRules',
  domain: 'listOrgDomains',
  access_token: 'listAccessTokens',
  group: 'listGroups',
  secret: 'listSecrets',
  client: 'listClients',
  member: 'listUsers',
  invitation: 'listInvitations',
  role: 'listRoles',
  api_key: 'listApiKeys',
  address_range: 'listAddressRanges',
} as const satisfies Record<string, Action>;
export type ChangedNoun = keyof typeof CHANGED;

const VERBS = ['created', 'updated', 'deleted'] as const;

/** Likewise, of what has only some of these, or others. */
const CHANGED_OTHERWISE = {
  'org.updated': 'getOrg',
  'tombstone.deleted': 'listTombstones',
  'bundle.updated': 'listSites',
  'blueprint.applied': 'listBlueprints',
  'job.created': 'listJobs',
  'job.updated': 'listJobs',
  'job.progress': 'listJobs',
} as const satisfies Record<string, Action>;

export type ChangeEventType = `${ChangedNoun}.${(typeof VERBS)[number]}` | keyof typeof CHANGED_OTHERWISE;

/** What happened, whoever did it; `listEvents` is enough. */
const TOLD = [
  'device.provisioned',
  'site.approved',
  'site.rejected',
  'site.suspended',
  'site.revoked',
  'site.expired',
  'site.replaced',
  'site.online',
  'site.offline',
  'site.duplicate_session',
  'claim.contested',
  'key.exhausted',
  'key.refused',
  'pool.exhausted',
  'member.left',
  'domain.unverified',
  'resource.foreign_target',
  'resource.guessed',
  'job.finished',
  'bundle.applied',
  'bundle.failed',
  'site.cloned',
  'site.bundle_key_changed',
  'rollout.started',
  'rollout.stopped',
  'rollout.finished',
  'site.credential_rotated',
  'site.credential_reuse',
] as const;

/** Likewise, of what the action shows. */
const TOLD_OF = {
  'target.healthy': 'listTargets',
  'target.unhealthy': 'listTargets',
} as const satisfies Record<string, Action>;
export type EventType = (typeof TOLD)[number] | keyof typeof TOLD_OF | ChangeEventType;

const ACTIONS_OF_CHANGES = new Map<EventType, Action>([
  ...(Object.entries(CHANGED) as [ChangedNoun, Action][]).flatMap(([noun, action]) =>
    VERBS.map((verb): [EventType, Action] => [`${noun}.${verb}`, action]),
  ),
  ...(Object.entries({ ...CHANGED_OTHERWISE, ...TOLD_OF }) as [EventType, Action][]),
]);

/** Types of the event feed. A type is never renamed. */
export const EVENT_TYPES: readonly EventType[] = [...TOLD, ...ACTIONS_OF_CHANGES.keys()];

/** What who reads events of this type must be allowed beside `listEvents`; undefined: nothing. */
export const actionOfEvent = (type: EventType): Action | undefined => ACTIONS_OF_CHANGES.get(type);
