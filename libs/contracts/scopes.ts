/** Actions that existing clients of the API know, and Gatehouse's own (docs/integration-api.md §1.5). */
export const ACTIONS = [
  'createOrgUser',
  'listOrgs',
  'listUserOrgs',
  'createOrg',
  'getOrg',
  'updateOrg',
  'deleteOrg',
  'createSite',
  'deleteSite',
  'getSite',
  'listSites',
  'updateSite',
  'resetSiteBandwidth',
  'reGenerateSecret',
  'createResource',
  'deleteResource',
  'getResource',
  'listResources',
  'updateResource',
  'createTarget',
  'deleteTarget',
  'getTarget',
  'listTargets',
  'updateTarget',
  'createRole',
  'deleteRole',
  'getRole',
  'listRoles',
  'updateRole',
  'inviteUser',
  'listInvitations',
  'removeInvitation',
  'removeUser',
  'listUsers',
  'listSiteRoles',
  'listResourceRoles',
  'setResourceUsers',
  'setResourceRoles',
  'listResourceUsers',
  'listRoleResources',
  'addUserRole',
  'removeUserRole',
  'setUserOrgRoles',
  'getOrgUser',
  'updateUser',
  'getUser',
  'setResourcePassword',
  'setResourcePincode',
  'setResourceHeaderAuth',
  'setResourceWhitelist',
  'getResourceWhitelist',
  'generateAccessToken',
  'deleteAcessToken',
  'listAccessTokens',
  'createResourceRule',
  'deleteResourceRule',
  'listResourceRules',
  'updateResourceRule',
  'createSiteResource',
  'deleteSiteResource',
  'getSiteResource',
  'listSiteResources',
  'updateSiteResource',
  'createClient',
  'deleteClient',
  'archiveClient',
  'unarchiveClient',
  'blockClient',
  'unblockClient',
  'updateClient',
  'listClients',
  'getClient',
  'listOrgDomains',
  'getDomain',
  'updateOrgDomain',
  'getDNSRecords',
  'createNewt',
  'createOlm',
  'createIdp',
  'updateIdp',
  'deleteIdp',
  'listIdps',
  'getIdp',
  'createIdpOrg',
  'deleteIdpOrg',
  'listIdpOrgs',
  'updateIdpOrg',
  'checkOrgId',
  'createApiKey',
  'deleteApiKey',
  'setApiKeyActions',
  'setApiKeyOrgs',
  'listApiKeyActions',
  'listApiKeys',
  'getApiKey',
  'createSiteProvisioningKey',
  'listSiteProvisioningKeys',
  'updateSiteProvisioningKey',
  'deleteSiteProvisioningKey',
  'getCertificate',
  'restartCertificate',
  'billing',
  'createOrgDomain',
  'deleteOrgDomain',
  'restartOrgDomain',
  'createRemoteExitNode',
  'updateRemoteExitNode',
  'getRemoteExitNode',
  'listRemoteExitNode',
  'deleteRemoteExitNode',
  'updateOrgUser',
  'createLoginPage',
  'updateLoginPage',
  'getLoginPage',
  'deleteLoginPage',
  'listBlueprints',
  'getBlueprint',
  'applyBlueprint',
  'viewLogs',
  'exportLogs',
  'listApprovals',
  'updateApprovals',
  'signSshKey',
  'createEventStreamingDestination',
  'updateEventStreamingDestination',
  'deleteEventStreamingDestination',
  'listEventStreamingDestinations',
  'createAlertRule',
  'updateAlertRule',
  'deleteAlertRule',
  'listAlertRules',
  'getAlertRule',
  'createHealthCheck',
  'updateHealthCheck',
  'deleteHealthCheck',
  'listHealthChecks',
  // Gatehouse's own
  'createProvisioningTemplate',
  'listProvisioningTemplates',
  'getProvisioningTemplate',
  'updateProvisioningTemplate',
  'deleteProvisioningTemplate',
  'createProvisioningProfile',
  'listProvisioningProfiles',
  'getProvisioningProfile',
  'updateProvisioningProfile',
  'deleteProvisioningProfile',
  'rotateSiteProvisioningKey',
  'revokeSiteProvisioningKey',
  'listClaims',
  'pauseClaims',
  'allowReclaim',
  'revokeSite',
  'listTombstones',
  'deleteTombstone',
  'listEvents',
  'listAudit',
  'createGroup',
  'listGroups',
  'getGroup',
  'updateGroup',
  'deleteGroup',
  'listAddressRanges',
  'createAddressRange',
  'deleteAddressRange',
  'listJobs',
  'getJob',
  'updateJob',
  'createSecret',
  'listSecrets',
  'updateSecret',
  'deleteSecret',
  'useSecret',
] as const;

export type Action = (typeof ACTIONS)[number];

/** Which credential a site authenticates with. */
export type CredentialKind = 'api_key' | 'psk' | 'certificate' | 'newt';

/**
 * What a route demands.
 * `org`: an action in the organization that the path names; null: only to belong to it. `root`: an action of the whole installation.
 * `own`: whatever organizations the caller belongs to. `user`: somebody logged in. `site`: a site, about itself only.
 */
export type Requirement =
  | { kind: 'org'; action: Action | null; orgId: string }
  | { kind: 'root'; action: Action }
  | { kind: 'own' }
  | { kind: 'user' }
  | { kind: 'site' };

/** What a caller holds once authenticated. `actions` of a user are those of the wanted organization. */
export type Authority =
  | { kind: 'user'; serverAdmin: boolean; memberships: ReadonlyMap<string, ReadonlySet<string>> }
  | { kind: 'rootKey' }
  | { kind: 'orgKey'; orgId: string; actions: ReadonlySet<string> }
  | { kind: 'provisioningKey' }
  /** Of whoever presented no credential, or none that a route would take. */
  | { kind: 'nothing' }
  | { kind: 'site'; orgId: string };

/** `hidden`: the caller has nothing to do with the object, so it does not exist for them (404). */
export type Grant = 'granted' | 'denied' | 'hidden';

/** The one decision about access (docs/claims.md rule 7). Pure, closed: what is not granted here is refused. */
export function grants(authority: Authority, required: Requirement): Grant {
  switch (authority.kind) {
    case 'rootKey':
      return required.kind === 'user' || required.kind === 'site' ? 'denied' : 'granted';
    case 'user':
      if (required.kind === 'user' || required.kind === 'own') return 'granted';
      if (required.kind === 'site') return 'denied';
      if (authority.serverAdmin) return 'granted';
      if (required.kind === 'root') return 'denied';
      return decide(authority.memberships.get(required.orgId), required.action);
    case 'orgKey':
      if (required.kind === 'own') return 'granted';
      if (required.kind !== 'org') return 'denied';
      return decide(authority.orgId === required.orgId ? authority.actions : undefined, required.action);
    case 'site':
      return required.kind === 'site' ? 'granted' : 'denied';
    case 'provisioningKey':
    case 'nothing':
      return 'denied';
  }
}

function decide(actions: ReadonlySet<string> | undefined, action: Action | null): Grant {
  if (!actions) return 'hidden';
  return action === null || actions.has(action) ? 'granted' : 'denied';
}
