import { describe, expect, it } from 'vitest';
import { ACTIONS, type Authority, type Grant, grants, type Requirement } from './scopes.js';

const every = new Set<string>(ACTIONS);
const some = new Set<string>(['getOrg']);
const none = new Set<string>();
const user = (serverAdmin: boolean, memberships: [string, Set<string>][]): Authority => ({
  kind: 'user',
  serverAdmin,
  memberships: new Map(memberships),
});

const HAVES: Record<string, Authority> = {
  'root key': { kind: 'rootKey' },
  'server admin, member of none': user(true, []),
  'server admin, member of a without actions': user(true, [['a', none]]),
  'user, member of none': user(false, []),
  'user, member of a with every action': user(false, [['a', every]]),
  'user, member of a with getOrg': user(false, [['a', some]]),
  'user, member of a without actions': user(false, [['a', none]]),
  'user, every action in b only': user(false, [['b', every]]),
  'user, every action in b, none in a': user(false, [
    ['a', none],
    ['b', every],
  ]),
  'key of a with every action': { kind: 'orgKey', orgId: 'a', actions: every },
  'key of a with getOrg': { kind: 'orgKey', orgId: 'a', actions: some },
  'key of a without actions': { kind: 'orgKey', orgId: 'a', actions: none },
  'key of b with every action': { kind: 'orgKey', orgId: 'b', actions: every },
  'provisioning key': { kind: 'provisioningKey' },
  nothing: { kind: 'nothing' },
  'site of a': { kind: 'site', orgId: 'a' },
};

/** In this order: getOrg in a, updateOrg in a, a root action, somebody logged in, a site, one's own organizations. */
const TABLE: Record<keyof typeof HAVES, [Grant, Grant, Grant, Grant, Grant, Grant]> = {
  'root key': ['granted', 'granted', 'granted', 'denied', 'denied', 'granted'],
  'server admin, member of none': ['granted', 'granted', 'granted', 'granted', 'denied', 'granted'],
  'server admin, member of a without actions': ['granted', 'granted', 'granted', 'granted', 'denied', 'granted'],
  'user, member of none': ['hidden', 'hidden', 'denied', 'granted', 'denied', 'granted'],
  'user, member of a with every action': ['granted', 'granted', 'denied', 'granted', 'denied', 'granted'],
  'user, member of a with getOrg': ['granted', 'denied', 'denied', 'granted', 'denied', 'granted'],
  'user, member of a without actions': ['denied', 'denied', 'denied', 'granted', 'denied', 'granted'],
  'user, every action in b only': ['hidden', 'hidden', 'denied', 'granted', 'denied', 'granted'],
  'user, every action in b, none in a': ['denied', 'denied', 'denied', 'granted', 'denied', 'granted'],
  'key of a with every action': ['granted', 'granted', 'denied', 'denied', 'denied', 'granted'],
  'key of a with getOrg': ['granted', 'denied', 'denied', 'denied', 'denied', 'granted'],
  'key of a without actions': ['denied', 'denied', 'denied', 'denied', 'denied', 'granted'],
  'key of b with every action': ['hidden', 'hidden', 'denied', 'denied', 'denied', 'granted'],
  'provisioning key': ['denied', 'denied', 'denied', 'denied', 'denied', 'denied'],
  nothing: ['denied', 'denied', 'denied', 'denied', 'denied', 'denied'],
  'site of a': ['denied', 'denied', 'denied', 'denied', 'granted', 'denied'],
};

const WANTS: Requirement[] = [
  { kind: 'org', action: 'getOrg', orgId: 'a' },
  { kind: 'org', action: 'updateOrg', orgId: 'a' },
  { kind: 'root', action: 'listOrgs' },
  { kind: 'user' },
  { kind: 'site' },
  { kind: 'own' },
];

/** The actions that existing clients know, word for word (docs/integration-api.md §1.5). */
const CONTRACT = `
  createOrgUser listOrgs listUserOrgs createOrg getOrg updateOrg deleteOrg createSite deleteSite getSite listSites updateSite resetSiteBandwidth
  reGenerateSecret createResource deleteResource getResource listResources updateResource createTarget deleteTarget getTarget listTargets updateTarget
  createRole deleteRole getRole listRoles updateRole inviteUser listInvitations removeInvitation removeUser listUsers listSiteRoles listResourceRoles
  setResourceUsers setResourceRoles listResourceUsers listRoleResources addUserRole removeUserRole setUserOrgRoles getOrgUser updateUser getUser
  setResourcePassword setResourcePincode setResourceHeaderAuth setResourceWhitelist getResourceWhitelist generateAccessToken deleteAcessToken
  listAccessTokens createResourceRule deleteResourceRule listResourceRules updateResourceRule createSiteResource deleteSiteResource getSiteResource
  listSiteResources updateSiteResource createClient deleteClient archiveClient unarchiveClient blockClient unblockClient updateClient listClients
  getClient listOrgDomains getDomain updateOrgDomain getDNSRecords createNewt createOlm createIdp updateIdp deleteIdp listIdps getIdp createIdpOrg
  deleteIdpOrg listIdpOrgs updateIdpOrg checkOrgId createApiKey deleteApiKey setApiKeyActions setApiKeyOrgs listApiKeyActions listApiKeys getApiKey
  createSiteProvisioningKey listSiteProvisioningKeys updateSiteProvisioningKey deleteSiteProvisioningKey getCertificate restartCertificate billing
  createOrgDomain deleteOrgDomain restartOrgDomain createRemoteExitNode updateRemoteExitNode getRemoteExitNode listRemoteExitNode deleteRemoteExitNode
  updateOrgUser createLoginPage updateLoginPage getLoginPage deleteLoginPage listBlueprints getBlueprint applyBlueprint viewLogs exportLogs
  listApprovals updateApprovals signSshKey createEventStreamingDestination updateEventStreamingDestination deleteEventStreamingDestination
  listEventStreamingDestinations createAlertRule updateAlertRule deleteAlertRule listAlertRules getAlertRule createHealthCheck updateHealthCheck
  deleteHealthCheck listHealthChecks`
  .trim()
  .split(/\s+/);

describe('actions', () => {
  it('hold every one that clients know, which an API key may be given', () => {
    expect(CONTRACT).toHaveLength(136);
    expect(CONTRACT.filter((action) => !(ACTIONS as readonly string[]).includes(action))).toEqual([]);
  });
});

describe('grants', () => {
  it('has a row for everything that can be held', () => expect(Object.keys(TABLE)).toEqual(Object.keys(HAVES)));

  for (const [name, expected] of Object.entries(TABLE)) {
    WANTS.forEach((want, i) => {
      it(`${name} → ${want.kind}${'action' in want ? `:${want.action}` : ''}: ${expected[i]}`, () => {
        expect(grants(HAVES[name]!, want)).toBe(expected[i]);
      });
    });
  }

  it('asks only where somebody belongs when no action is wanted', () => {
    const granted = Object.keys(HAVES).filter(
      (name) => grants(HAVES[name]!, { kind: 'org', action: null, orgId: 'a' }) === 'granted',
    );
    expect(granted).toEqual(
      Object.keys(HAVES).filter((name) =>
        /^(root key|server admin|user, member of a|user, every action in b, none in a|key of a)/.test(name),
      ),
    );
    expect(grants(HAVES['key of b with every action']!, { kind: 'org', action: null, orgId: 'a' })).toBe('hidden');
  });

  it('decides every single action by the set that is held, and nothing else', () => {
    for (const held of ACTIONS) {
      const have: Authority = { kind: 'orgKey', orgId: 'a', actions: new Set([held]) };
      for (const action of ACTIONS)
        expect(grants(have, { kind: 'org', action, orgId: 'a' })).toBe(action === held ? 'granted' : 'denied');
    }
  });

  it.each(['provisioningKey', 'nothing'] as const)('never lets %s do anything (docs/claims.md rule 7)', (kind) => {
    for (const action of ACTIONS) {
      for (const want of [
        { kind: 'org', action, orgId: 'a' },
        { kind: 'root', action },
        { kind: 'user' },
        { kind: 'site' },
        { kind: 'own' },
      ] as const) {
        expect(grants({ kind }, want)).toBe('denied');
      }
    }
  });

  it('names no action twice', () => expect(new Set(ACTIONS).size).toBe(ACTIONS.length));
});
