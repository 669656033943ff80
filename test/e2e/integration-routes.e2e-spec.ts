import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiContract } from '../support/openapi.js';
import { startServer, type TestServer } from '../support/server.js';

// What existing clients of the API call (docs/integration-api.md §2): all but identity providers, logs and analytics.
const ROUTES = `
GET /org/checkId
PUT /org
GET /orgs
GET /org/{orgId}
POST /org/{orgId}
DELETE /org/{orgId}
PUT /org/{orgId}/site
GET /org/{orgId}/sites
GET /org/{orgId}/site/{niceId}
GET /org/{orgId}/pick-site-defaults
GET /site/{siteId}
POST /site/{siteId}
POST /org/{orgId}/reset-bandwidth
DELETE /site/{siteId}
GET /org/{orgId}/user-resources
PUT /org/{orgId}/site-resource
GET /org/{orgId}/site/{siteId}/resources
GET /org/{orgId}/site-resources
GET /site-resource/{siteResourceId}
POST /site-resource/{siteResourceId}
DELETE /site-resource/{siteResourceId}
GET /site-resource/{siteResourceId}/roles
GET /site-resource/{siteResourceId}/users
GET /site-resource/{siteResourceId}/clients
POST /site-resource/{siteResourceId}/roles
POST /site-resource/{siteResourceId}/users
POST /site-resource/{siteResourceId}/roles/add
POST /site-resource/{siteResourceId}/roles/remove
POST /site-resource/{siteResourceId}/users/add
POST /site-resource/{siteResourceId}/users/remove
POST /site-resource/{siteResourceId}/clients
POST /site-resource/{siteResourceId}/clients/add
POST /site-resource/{siteResourceId}/clients/remove
POST /client/{clientId}/site-resources
PUT /org/{orgId}/resource
PUT /org/{orgId}/site/{siteId}/resource
GET /site/{siteId}/resources
GET /org/{orgId}/resources
GET /org/{orgId}/domains
GET /org/{orgId}/domain/{domainId}
PUT /org/{orgId}/domain
PATCH /org/{orgId}/domain/{domainId}
DELETE /org/{orgId}/domain/{domainId}
GET /org/{orgId}/domain/{domainId}/dns-records
POST /org/{orgId}/domain/{domainId}/restart
GET /org/{orgId}/invitations
POST /org/{orgId}/create-invite
DELETE /org/{orgId}/invitations/{inviteId}
GET /resource/{resourceId}/roles
GET /resource/{resourceId}/users
GET /resource/{resourceId}
POST /resource/{resourceId}
DELETE /resource/{resourceId}
PUT /resource/{resourceId}/target
GET /resource/{resourceId}/targets
PUT /resource/{resourceId}/rule
GET /resource/{resourceId}/rules
POST /resource/{resourceId}/rule/{ruleId}
DELETE /resource/{resourceId}/rule/{ruleId}
GET /target/{targetId}
POST /target/{targetId}
DELETE /target/{targetId}
PUT /org/{orgId}/role
POST /role/{roleId}
GET /org/{orgId}/roles
DELETE /role/{roleId}
GET /role/{roleId}
POST /role/{roleId}/add/{userId}
DELETE /role/{roleId}/remove/{userId}
GET /role/{roleId}/users
POST /resource/{resourceId}/roles
POST /resource/{resourceId}/users
POST /resource/{resourceId}/roles/add
POST /resource/{resourceId}/roles/remove
POST /resource/{resourceId}/users/add
POST /resource/{resourceId}/users/remove
POST /resource/{resourceId}/password
POST /resource/{resourceId}/pincode
POST /resource/{resourceId}/header-auth
POST /resource/{resourceId}/whitelist
POST /resource/{resourceId}/whitelist/add
POST /resource/{resourceId}/whitelist/remove
GET /resource/{resourceId}/whitelist
POST /resource/{resourceId}/access-token
DELETE /access-token/{accessTokenId}
GET /org/{orgId}/access-tokens
GET /resource/{resourceId}/access-tokens
GET /org/{orgId}/user/{userId}
GET /org/{orgId}/user-by-username
POST /user/{userId}/2fa
GET /user/{userId}
GET /org/{orgId}/users
PUT /org/{orgId}/user
POST /org/{orgId}/user/{userId}
DELETE /org/{orgId}/user/{userId}
GET /org/{orgId}/api-keys
POST /org/{orgId}/api-key/{apiKeyId}/actions
GET /org/{orgId}/api-key/{apiKeyId}/actions
PUT /org/{orgId}/api-key
DELETE /org/{orgId}/api-key/{apiKeyId}
GET /org/{orgId}/pick-client-defaults
GET /org/{orgId}/clients
GET /org/{orgId}/user-devices
GET /client/{clientId}
PUT /org/{orgId}/client
DELETE /client/{clientId}
POST /client/{clientId}/archive
POST /client/{clientId}/unarchive
POST /client/{clientId}/block
POST /client/{clientId}/unblock
POST /client/{clientId}
PUT /org/{orgId}/blueprint
GET /org/{orgId}/blueprint/{blueprintId}
GET /org/{orgId}/blueprints
GET /org/{orgId}/resource-names
POST /user/{userId}/add-role/{roleId}
DELETE /user/{userId}/remove-role/{roleId}
POST /invite/accept
GET /org/{orgId}/resource/{resourceNiceId}
GET /org/{orgId}/site/{siteId}/resource/{siteResourceId}
POST /org/{orgId}/domain/{domainId}
DELETE /resource/{resourceId}/target/{targetId}
POST /site/{siteId}/restart
GET /org/{orgId}/user/{candidateId}/check
`
  .trim()
  .split('\n');

let server: TestServer;
let contract: ApiContract;
beforeAll(async () => {
  server = await startServer();
  contract = (await ApiContract.of(server.url))!;
});
afterAll(() => server?.stop());

describe('the routes of the Integration API', () => {
  it('are all there, each once', () => {
    const served = new Set(contract.operations.map((o) => `${o.method} ${o.path.replace(/^\/api\/v1/, '')}`));
    expect(ROUTES.filter((route) => !served.has(route))).toEqual([]);
  });

  it('are served under /v1 too, by the same code', async () => {
    for (const path of ['/v1/openapi.json', '/v1/openapi.yaml', '/v1/docs', '/v1/'])
      expect([path, (await fetch(`${server.url}${path}`)).status]).toEqual([path, 200]);
  });
});
