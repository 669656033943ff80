import type { ClientCall, ForeignClient } from './client.js';

/** The life of each kind of object, as a program on a generated client lives it; `more` is what such a client says of what was not set. */
const lives = (more: {
  site: object;
  resource: object;
  target: object;
  private: object;
  role: object;
}): ClientCall[] => [
  {
    method: 'PUT',
    path: '/org/{org}/site',
    body: { name: 'edge', type: 'newt', ...more.site },
    status: 201,
    keeps: { site: 'siteId' },
  },
  { method: 'POST', path: '/site/{site}', body: { name: 'edge 2' }, status: 200, shows: { name: 'edge 2' } },
  { method: 'GET', path: '/site/{site}', status: 200, shows: { name: 'edge 2' } },
  { method: 'GET', path: '/org/{org}/sites', status: 200 },
  {
    method: 'PUT',
    path: '/org/{org}/resource',
    body: { name: 'Web', http: true, protocol: 'tcp', domainId: '{domain}', subdomain: '{w}', ...more.resource },
    status: 201,
    keeps: { resource: 'resourceId' },
  },
  {
    method: 'POST',
    path: '/resource/{resource}',
    body: { name: 'Web 2', headers: null, tlsServerName: null },
    status: 200,
  },
  { method: 'GET', path: '/resource/{resource}', status: 200, shows: { name: 'Web 2' } },
  { method: 'GET', path: '/org/{org}/resources', status: 200 },
  {
    method: 'PUT',
    path: '/resource/{resource}/target',
    body: { siteId: '{site}', ip: '10.0.0.1', port: 80, ...more.target },
    status: 201,
    keeps: { target: 'targetId' },
  },
  { method: 'POST', path: '/target/{target}', body: { siteId: '{site}', ip: '10.0.0.2', path: null }, status: 200 },
  { method: 'GET', path: '/target/{target}', status: 200, shows: { ip: '10.0.0.2' } },
  { method: 'GET', path: '/resource/{resource}/targets', status: 200 },
  { method: 'DELETE', path: '/resource/{resource}/target/{target}', status: 200 },
  { method: 'GET', path: '/target/{target}', status: 404 },
  {
    method: 'PUT',
    path: '/org/{org}/site-resource',
    body: { name: 'DB', mode: 'host', destination: '192.0.2.1', siteIds: ['{site}'], ...more.private },
    status: 201,
    keeps: { private: 'siteResourceId' },
  },
  { method: 'POST', path: '/site-resource/{private}', body: { name: 'DB 2', alias: null, scheme: null }, status: 200 },
  { method: 'GET', path: '/site-resource/{private}', status: 200, shows: { name: 'DB 2' } },
  { method: 'GET', path: '/org/{org}/site/{site}/resource/{private}', status: 200 },
  { method: 'GET', path: '/org/{org}/site/{site}/resources', status: 200 },
  { method: 'DELETE', path: '/site-resource/{private}', status: 200 },
  { method: 'GET', path: '/site-resource/{private}', status: 404 },
  {
    method: 'PUT',
    path: '/org/{org}/role',
    body: { name: 'Ops', ...more.role },
    status: 201,
    keeps: { role: 'roleId' },
  },
  { method: 'POST', path: '/role/{role}', body: { description: null }, status: 200 },
  { method: 'GET', path: '/role/{role}', status: 200, shows: { description: null } },
  { method: 'DELETE', path: '/role/{role}', body: {}, status: 200 },
  { method: 'GET', path: '/role/{role}', status: 404 },
  {
    method: 'PUT',
    path: '/org/{org}/client',
    body: { name: 'robot', olmId: '{w}-olm1', secret: '{w}-secret-of-the-robot', subnet: '{free}', type: 'olm' },
    status: 201,
    keeps: { machine: 'clientId' },
  },
  // The document says a list.
  {
    method: 'POST',
    path: '/client/{machine}',
    body: { name: 'robot 2' },
    status: 200,
    reads: { '': 'list' },
    shows: { '[0].name': 'robot 2' },
  },
  { method: 'GET', path: '/org/{org}/user/{user}/check', status: 200, shows: { allowed: true } },
  { method: 'POST', path: '/site/{site}/restart', status: 202 },
  { method: 'DELETE', path: '/resource/{resource}', status: 200 },
  { method: 'GET', path: '/resource/{resource}', status: 404 },
  { method: 'DELETE', path: '/site/{site}', status: 200 },
  { method: 'GET', path: '/site/{site}', status: 404 },
];
const NOTHING = { site: {}, resource: {}, target: {}, private: {}, role: {} };
/** null wherever the document says that it is a value. */
const NULLS = {
  site: { address: null, exitNodeId: null, subnet: null, pubKey: null, remoteSubnets: null },
  resource: { postAuthPath: null, sitesMayAddTargets: null },
  target: {
    method: null,
    path: null,
    pathMatchType: null,
    rewritePath: null,
    rewritePathType: null,
    priority: null,
    hcPath: null,
    hcHeaders: null,
  },
  private: { destinationPort: null, scheme: null, alias: null, domainId: null, subdomain: null, authDaemonPort: null },
  role: { description: null },
};

/** Four ways in which code generators make clients of the document: all of them refuse what it does not know. */
export const GENERATED: ForeignClient[] = [
  {
    name: 'a generated client that leaves out what is not set, and names its content type without a body too',
    prefix: '/api/v1',
    headers: { accept: 'application/json' },
    contentType: 'always',
    strict: true,
    calls: lives(NOTHING),
  },
  {
    name: 'a generated client that sends null for what is not set',
    prefix: '/api/v1',
    headers: {
      accept: 'application/json',
      'content-type': 'application/json; charset=utf-8',
      'user-agent': 'generated/1.0',
    },
    strict: true,
    calls: lives(NULLS),
  },
  {
    name: 'a generated client that accepts anything, with the key in its own header',
    prefix: '/api/v1',
    headers: { accept: '*/*', 'x-api-key': '{key}', authorization: '' },
    strict: true,
    calls: lives(NOTHING),
  },
  {
    name: 'a generated client that prefers JSON among others and sends the enumerations of the document',
    prefix: '/api/v1',
    headers: { accept: 'application/json, text/plain;q=0.5, */*;q=0.1' },
    strict: true,
    calls: lives({
      ...NULLS,
      resource: { mode: 'http', sitesMayAddTargets: null },
      target: { mode: 'http', method: 'http' },
    }),
  },
];
