import type { ChangedNoun, ChangeEventType } from '#contracts';
import type { Principal } from '#platform';
import type { AuditEntry } from './audit.service.js';
import type { NewEvent } from './events.service.js';

/** Alike changes of one call that are told one by one; of more, one event says how many. */
const EACH = 10;

/** What the audit calls a target, as events call it, and where they say which it is. */
const NOUNS: Record<string, [noun: ChangedNoun, id: string]> = {
  site: ['site', 'siteId'],
  site_provisioning_key: ['key', 'keyId'],
  provisioning_template: ['template', 'templateId'],
  provisioning_profile: ['profile', 'profileId'],
  resource: ['resource', 'resourceId'],
  site_resource: ['site_resource', 'siteResourceId'],
  target: ['target', 'targetId'],
  rule: ['rule', 'ruleId'],
  domain: ['domain', 'domainId'],
  access_token: ['access_token', 'accessTokenId'],
  group: ['group', 'groupId'],
  secret: ['secret', 'name'],
  client: ['client', 'clientId'],
  user: ['member', 'userId'],
  invitation: ['invitation', 'inviteId'],
  role: ['role', 'roleId'],
  api_key: ['api_key', 'apiKeyId'],
  address_range: ['address_range', 'rangeId'],
};
const OTHER_IDS: Record<string, string> = { job: 'jobId', tombstone: 'hardwareId' };

/** Acts that are told otherwise than by their verb: by other events of this transaction (none here), or as a change of something else. */
const OTHERWISE: Record<string, readonly ChangeEventType[]> = {
  'site.approve': [],
  'site.suspend': [],
  'site.reject': [],
  'site.revoke': [],
  'site.claim': [],
  'site.reissue': [],
  'site.expire': [],
  'site.renew_credential': [],
  'site.change_bundle_key': [],
  'site.resend_bundle': ['bundle.updated'],
  'site.reset_bandwidth': ['site.updated'],
  'bootstrap.save': ['profile.updated'],
  'bootstrap.revert': ['profile.updated'],
  'bootstrap.delete': ['profile.updated'],
  'blueprint.apply': ['blueprint.applied'],
  'domain.unverify': [],
  'invitation.accept': ['invitation.deleted', 'member.created'],
  'org.update': ['org.updated'],
  'org.close': ['org.updated'],
  'org.reopen': ['org.updated'],
  // It may pause claims.
  'site_provisioning_key.leaked': ['key.updated', 'org.updated'],
  'claims.pause': ['org.updated'],
  'claims.resume': ['org.updated'],
  'tombstone.delete': ['tombstone.deleted'],
  'job.create': ['job.created'],
  'job.pause': ['job.updated'],
  'job.resume': ['job.updated'],
  'job.cancel': [],
  'job.finish': [],
};
/** These may come with changes of fields, which have no event of their own. */
const DECISIONS: ReadonlySet<string> = new Set(['site.approve', 'site.suspend']);

const VERBS: Record<string, 'created' | 'deleted'> = { create: 'created', delete: 'deleted', remove: 'deleted' };

/**
 * The events of audited acts (ADR 0083): what somebody changed, for those who look at it. Each change has its audit row in its transaction, so
 * none is left out. What a step of a job does is told by `job.progress`.
 */
export function changeEvents(entries: (AuditEntry & { principal: Principal })[]): NewEvent[] {
  const alike = new Map<string, NewEvent[]>();
  for (const entry of entries)
    for (const event of eventsOf(entry)) {
      const key = `${event.orgId}\n${event.type}`;
      const events = alike.get(key);
      if (events) events.push(event);
      else alike.set(key, [event]);
    }
  return [...alike.values()].flatMap((events) => (events.length > EACH ? [summed(events)] : events));
}

function eventsOf(entry: AuditEntry & { principal: Principal }): NewEvent[] {
  const { orgId, orgUid, action, target, details, principal } = entry;
  if (orgId === null || (entry.result ?? 'success') !== 'success') return [];
  if (details?.['jobId'] !== undefined) return [];
  const of = {
    orgId,
    ...(orgUid ? { orgUid } : {}),
    ...(target?.type === 'site' && 'id' in target ? { siteId: Number(target.id) } : {}),
  };
  const by = { action, by: principal.name };
  return typesOf(action, target?.type, details).map((type) => {
    const id = target && (NOUNS[target.type]?.[1] ?? OTHER_IDS[target.type]);
    if (!target || id === undefined || target.type === 'site') return { ...of, type, data: by };
    if ('id' in target) return { ...of, type, data: { [id]: target.id, ...by } };
    return { ...of, type, data: by, drawn: { name: id, from: target.drawnFrom } };
  });
}

function typesOf(
  action: string,
  targetType: string | undefined,
  details: AuditEntry['details'],
): readonly ChangeEventType[] {
  if (DECISIONS.has(action) && details?.['fields'] !== undefined) return ['site.updated'];
  const otherwise = OTHERWISE[action];
  if (otherwise) return otherwise;
  const noun = targetType === undefined ? undefined : NOUNS[targetType]?.[0];
  return noun ? [`${noun}.${VERBS[action.slice(action.indexOf('.') + 1)] ?? 'updated'}`] : [];
}

/** One for all of them, which are of one organization and type. */
function summed([first, ...others]: NewEvent[]): NewEvent {
  const { orgId, orgUid, type, data } = first!;
  const { action, by } = data!;
  return { orgId, ...(orgUid ? { orgUid } : {}), type, data: { count: 1 + others.length, action, by } };
}
