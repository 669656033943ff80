import type { ForeignClient } from './client.js';

/** It shows sites and resources, switches them, and has a button that restarts a site. */
export const HOME_AUTOMATION: ForeignClient = {
  name: 'a home automation',
  calls: [
    { method: 'GET', path: '/org/{org}', reads: { 'org.orgId': 'string', 'org.name': 'string' } },
    { method: 'PUT', path: '/org/{org}/site', body: { name: 'home', type: 'newt' }, keeps: { site: 'siteId' } },
    {
      method: 'PUT',
      path: '/org/{org}/resource',
      body: { name: 'Web', mode: 'http', domainId: '{domain}', subdomain: '{w}-ha' },
      keeps: { resource: 'resourceId' },
    },
    {
      method: 'PUT',
      path: '/org/{org}/private-resource',
      body: { name: 'NAS', mode: 'host', siteId: '{site}', destination: 'nas.lan', alias: '{w}-nas.internal' },
      keeps: { private: 'siteResourceId' },
    },
    {
      method: 'GET',
      path: '/org/{org}/sites?page=1&pageSize=100',
      reads: {
        'sites[].siteId': 'integer',
        'sites[].name': 'string',
        'sites[].type': 'string',
        'sites[].online': 'boolean?',
        'sites[].newtVersion': 'string?',
        'sites[].megabytesIn': 'number',
        'sites[].megabytesOut': 'number',
        'pagination.total': 'integer',
      },
    },
    {
      method: 'GET',
      path: '/org/{org}/resources?page=1&pageSize=100',
      reads: {
        'resources[].resourceId': 'integer',
        'resources[].enabled': 'boolean',
        'resources[].health': 'string',
        'resources[].targets': 'list',
        'pagination.total': 'integer',
      },
    },
    {
      method: 'GET',
      path: '/org/{org}/private-resources?page=1&pageSize=100',
      reads: {
        'siteResources[].siteResourceId': 'integer',
        'siteResources[].enabled': 'boolean',
        'pagination.total': 'integer',
      },
    },
    {
      method: 'GET',
      path: '/org/{org}/clients?status=active,blocked,archived&page=1&pageSize=20',
      reads: { clients: 'list' },
    },
    {
      method: 'GET',
      path: '/org/{org}/user-devices?status=active,pending,denied,blocked,archived',
      reads: { devices: 'list' },
    },
    { method: 'POST', path: '/resource/{resource}', body: { enabled: false }, status: 200, shows: { enabled: false } },
    // A switch: what makes the resource reachable stays.
    {
      method: 'POST',
      path: '/private-resource/{private}',
      body: { enabled: false },
      status: 200,
      shows: { enabled: false, alias: '{w}-nas.internal' },
    },
    { method: 'GET', path: '/private-resource/{private}', shows: { enabled: false, alias: '{w}-nas.internal' } },
    { method: 'POST', path: '/site/{site}/restart', status: 202 },
  ],
};

/** It counts what lists hold, and asks for no page. */
export const DASHBOARD_WIDGET: ForeignClient = {
  name: 'a widget of a start page',
  calls: [
    { method: 'PUT', path: '/org/{org}/site', body: { name: 'S', type: 'newt' }, keeps: { site: 'siteId' } },
    {
      method: 'PUT',
      path: '/org/{org}/resource',
      body: { name: 'R', mode: 'tcp', proxyPort: 2300 },
      keeps: { resource: 'resourceId' },
    },
    { method: 'PUT', path: '/resource/{resource}/target', body: { siteId: '{site}', ip: '10.0.0.1', port: 22 } },
    { method: 'GET', path: '/orgs', reads: { 'orgs[].orgId': 'string' } },
    {
      method: 'GET',
      path: '/org/{org}/sites',
      reads: { 'sites[].online': 'boolean?', 'sites[].megabytesIn': 'number', 'sites[].megabytesOut': 'number' },
    },
    {
      method: 'GET',
      path: '/org/{org}/resources',
      reads: { 'resources[].targets': 'list', 'resources[].targets[].healthStatus': 'string' },
      shows: { 'resources[0].targets[0].healthStatus': 'unknown' },
    },
  ],
};

/** It lets the address of somebody who is at home in, and asks for more rows than a page has. */
export const RULE_UPDATER: ForeignClient = {
  name: 'an updater of access rules',
  calls: [
    {
      method: 'PUT',
      path: '/org/{org}/resource',
      body: { name: 'Web', http: true, protocol: 'tcp', domainId: '{domain}', subdomain: '{w}-ip' },
      keeps: { resource: 'resourceId' },
    },
    {
      method: 'PUT',
      path: '/resource/{resource}/rule',
      body: { action: 'ACCEPT', match: 'IP', value: '192.0.2.7', priority: 7, enabled: true },
      status: 201,
    },
    {
      method: 'GET',
      path: '/resource/{resource}/rules?limit=10000',
      reads: { 'rules[].ruleId': 'integer', 'rules[].match': 'string', 'rules[].value': 'string' },
      shows: { 'rules[0].value': '192.0.2.7', 'pagination.limit': 1000 },
      keeps: { rule: 'rules[0].ruleId' },
    },
    {
      method: 'GET',
      path: '/org/{org}/user/{user}',
      reads: { userId: 'string', username: 'string', roleIds: 'list', 'roleIds[]': 'integer' },
    },
    { method: 'GET', path: '/resource/{resource}/roles', reads: { 'roles[].roleId': 'integer' } },
    { method: 'GET', path: '/resource/{resource}/users', reads: { users: 'list' } },
    { method: 'GET', path: '/resource/{resource}', reads: { name: 'string', fullDomain: 'string', ssl: 'boolean' } },
    { method: 'DELETE', path: '/resource/{resource}/rule/{rule}', status: 200 },
    { method: 'GET', path: '/resource/{resource}/rules?limit=10000', shows: { rules: [] } },
  ],
};

/** What a command line does of this API: it applies documents as text, and asks whether its user belongs to an organization. */
export const COMMAND_LINE: ForeignClient = {
  name: 'a command line',
  prefix: '/api/v1',
  headers: { 'x-csrf-token': 'x-csrf-protection', accept: 'application/json' },
  calls: [
    {
      method: 'PUT',
      path: '/org/{org}/blueprint',
      body: {
        name: '{w}.yaml',
        blueprint: 'public-resources:\n  {w}-cli:\n    name: CLI\n    protocol: tcp\n    proxy-port: 2400\n',
        source: 'CLI',
      },
      status: 201,
      reads: {
        name: 'string',
        orgId: 'string',
        source: 'string',
        message: 'string',
        blueprintId: 'integer',
        succeeded: 'boolean',
        contents: 'string',
      },
      shows: { succeeded: true, source: 'CLI', name: '{w}.yaml' },
      keeps: { blueprint: 'blueprintId' },
    },
    { method: 'GET', path: '/org/{org}/blueprint/{blueprint}', shows: { name: '{w}.yaml', source: 'CLI' } },
    {
      method: 'GET',
      path: '/org/{org}/resource/{w}-cli',
      reads: { resourceId: 'integer', name: 'string' },
      shows: { niceId: '{w}-cli', mode: 'tcp' },
    },
    {
      method: 'GET',
      path: '/org/{org}/user/{user}/check',
      status: 200,
      reads: { allowed: 'boolean', error: 'string?' },
      shows: { allowed: true },
    },
    {
      method: 'GET',
      path: '/org/{org}/user/nobody/check',
      status: 200,
      reads: { allowed: 'boolean', error: 'string' },
      shows: { allowed: false },
    },
  ],
};
