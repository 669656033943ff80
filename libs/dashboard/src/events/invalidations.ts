import type { ApiPaths } from '@/api/types';
import type { EventType } from '../../../contracts/index.js';

/** An event as the stream sends it. */
export interface LiveEvent {
  type: EventType;
  cursor: string;
  orgId: string | null;
  siteId: number | null;
  data: Record<string, unknown>;
}

type Path = keyof ApiPaths & string;

/**
 * Which reads an event makes old: the beginning of its type, and the paths whose answers show what it tells of. One table for all pages: a page
 * that reads another path adds it here.
 */
export const INVALIDATIONS: readonly (readonly [type: string, paths: readonly Path[]])[] = [
  [
    'device.',
    [
      '/org/{orgId}/sites',
      '/org/{orgId}/sites/facets',
      '/org/{orgId}/claims',
      '/org/{orgId}/site-provisioning-keys',
      '/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}',
      '/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/rollout',
    ],
  ],
  [
    'site.',
    [
      '/org/{orgId}/sites',
      '/org/{orgId}/sites/facets',
      '/org/{orgId}/site-replacements',
      '/site/{siteId}',
      '/site/{siteId}/diagnosis',
      '/site/{siteId}/sessions',
      '/site/{siteId}/credentials',
      '/org/{orgId}/group/{groupId}',
      '/org/{orgId}/tombstones',
      '/org/{orgId}/rejections',
      '/resource/{resourceId}/diagnosis',
      '/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/rollout',
    ],
  ],
  ['site.credential_rotated', ['/org/{orgId}/credential-rotations']],
  ['group.', ['/org/{orgId}/groups', '/org/{orgId}/group/{groupId}', '/org/{orgId}/sites/facets']],
  ['tombstone.', ['/org/{orgId}/tombstones', '/org/{orgId}/rejections']],
  [
    'claim.',
    [
      '/org/{orgId}/claims',
      '/org/{orgId}/sites',
      '/site/{siteId}/diagnosis',
      '/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/rollout',
    ],
  ],
  ['template.', ['/org/{orgId}/provisioning-templates', '/org/{orgId}/provisioning-template/{templateId}']],
  [
    'profile.',
    [
      '/org/{orgId}/provisioning-profiles',
      '/org/{orgId}/provisioning-profile/{profileId}',
      '/org/{orgId}/provisioning-profile/{profileId}/bootstrap',
      '/org/{orgId}/provisioning-profile/{profileId}/bootstrap/revisions',
    ],
  ],
  [
    'key.',
    [
      '/org/{orgId}/site-provisioning-keys',
      '/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}',
      '/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/rollout',
      '/org/{orgId}/claims',
    ],
  ],
  // Of the overview.
  ['site.', ['/org/{orgId}/sites/facets', '/org/{orgId}/stats', '/org/{orgId}/expiring']],
  ['device.', ['/org/{orgId}/sites/facets', '/org/{orgId}/stats']],
  ['claim.', ['/org/{orgId}/stats']],
  ['key.', ['/org/{orgId}/stats', '/org/{orgId}/expiring']],
  // Whatever happens is an event, and most of it somebody did.
  ['', ['/org/{orgId}/events', '/org/{orgId}/audit']],
  ['member.', ['/org/{orgId}/users', '/org/{orgId}/user/{userId}', '/role/{roleId}/users', '/org/{orgId}/invitations']],
  ['invitation.', ['/org/{orgId}/invitations', '/org/{orgId}/expiring']],
  ['role.', ['/org/{orgId}/roles', '/role/{roleId}', '/role/{roleId}/actions', '/org/{orgId}/users']],
  [
    'api_key.',
    [
      '/org/{orgId}/api-keys',
      '/org/{orgId}/api-key/{apiKeyId}',
      '/org/{orgId}/api-key/{apiKeyId}/actions',
      '/org/{orgId}/expiring',
    ],
  ],
  ['client.', ['/org/{orgId}/clients', '/org/{orgId}/user-devices']],
  ['access_token.', ['/org/{orgId}/access-tokens', '/org/{orgId}/expiring']],
  ['address_range.', ['/org/{orgId}/address-ranges']],
  ['org.', ['/org/{orgId}', '/orgs', '/org/{orgId}/signing-keys', '/org/{orgId}/certificate-authorities']],
  [
    'domain.',
    [
      '/org/{orgId}/domains',
      '/org/{orgId}/domain/{domainId}',
      '/org/{orgId}/domain/{domainId}/dns-records',
      '/resource/{resourceId}/diagnosis',
      '/org/{orgId}/resources',
      '/resource/{resourceId}',
    ],
  ],
  [
    'resource.',
    [
      '/org/{orgId}/resources',
      '/resource/{resourceId}',
      '/resource/{resourceId}/roles',
      '/resource/{resourceId}/users',
      '/resource/{resourceId}/whitelist',
      '/resource/{resourceId}/diagnosis',
      '/site/{siteId}/resources',
    ],
  ],
  [
    'target.',
    [
      '/org/{orgId}/resources',
      '/resource/{resourceId}',
      '/resource/{resourceId}/targets',
      '/target/{targetId}',
      '/resource/{resourceId}/diagnosis',
      '/site/{siteId}/resources',
    ],
  ],
  ['rule.', ['/resource/{resourceId}/rules']],
  [
    'site_resource.',
    [
      '/org/{orgId}/site-resources',
      '/site-resource/{siteResourceId}',
      '/site-resource/{siteResourceId}/roles',
      '/site-resource/{siteResourceId}/users',
      '/site-resource/{siteResourceId}/clients',
      '/org/{orgId}/site/{siteId}/resources',
    ],
  ],
  ['blueprint.', ['/org/{orgId}/blueprints']],
  ['secret.', ['/org/{orgId}/secrets', '/org/{orgId}/secret/{name}']],
  [
    'job.',
    ['/org/{orgId}/jobs', '/org/{orgId}/jobs/{jobId}', '/org/{orgId}/rollouts', '/org/{orgId}/credential-rotations'],
  ],
  // What a step of a job does to sites is told by nothing else.
  ...(['job.progress', 'job.finished'] as const).map((type): readonly [string, readonly Path[]] => [
    type,
    [
      '/org/{orgId}/sites',
      '/org/{orgId}/sites/facets',
      '/site/{siteId}',
      '/org/{orgId}/groups',
      '/org/{orgId}/group/{groupId}',
    ],
  ]),
  [
    'bundle.',
    ['/org/{orgId}/bundles', '/site/{siteId}/bundle', '/site/{siteId}/diagnosis', '/org/{orgId}/secret/{name}'],
  ],
  ['rollout.', ['/org/{orgId}/rollouts', '/org/{orgId}/bundles', '/org/{orgId}/secrets', '/org/{orgId}/secret/{name}']],
];

/** Everything of the organization that a type makes old. What the table does not know makes nothing old. */
export function pathsOf(type: string): Set<string> {
  return new Set(INVALIDATIONS.flatMap(([begins, paths]) => (type.startsWith(begins) ? paths : [])));
}

/** Of parameters in a key: whether a read concerns what the event is about. A path without a site's id is about all of them. */
export function concerns(
  event: Pick<LiveEvent, 'orgId' | 'siteId'>,
  params: Record<string, unknown> | undefined,
): boolean {
  if (params?.['orgId'] !== undefined && event.orgId !== null && params['orgId'] !== event.orgId) return false;
  return params?.['siteId'] === undefined || event.siteId === null || Number(params['siteId']) === event.siteId;
}
