import 'reflect-metadata';
import type { Type } from '@nestjs/common';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PrivateEntry, type PublicResource, parse, readRuleValue } from '#blueprint';
import { type AppError, validationPipe } from '#platform';
import { HeaderAuthBody, PasswordBody, PincodeBody, WhitelistBody } from '../src/resources/auth/auth.dto.js';
import { checkDestination, type Destination } from '../src/resources/private/destinations.js';
import { CreateSiteResourceBody } from '../src/resources/private/private.dto.js';
import { CreateResourceBody, UpdateResourceBody } from '../src/resources/public/resources.dto.js';
import { CreateRuleBody } from '../src/resources/rules/rules.dto.js';
import { CreateTargetBody } from '../src/resources/targets/targets.dto.js';
import { VALUES } from './support/field-values.js';

// Every value goes to the API and to a document: both take it, and store the same, or both refuse it (docs/adr/0038).

const SEED = 20_261_129;
const RUNS = 400;

type Fields = Record<string, unknown>;
/** What is stored, or that the value is refused. */
type Outcome = { stored: unknown } | 'refused';

const pipe = validationPipe();
async function api(type: Type<object>, base: Fields, field: string, value: unknown, more = checked): Promise<Outcome> {
  try {
    const dto = (await pipe.transform({ ...base, [field]: value }, { type: 'body', metatype: type })) as Fields;
    return { stored: more(dto)[field] ?? null };
  } catch (error) {
    expect((error as AppError).code).toBe('validation');
    return 'refused';
  }
}
const checked = (dto: Fields): Fields => dto;

function document(content: object, read: (entry: PublicResource & PrivateEntry) => unknown): Outcome {
  const parsed = parse(JSON.stringify(content), { format: 'json', literal: true });
  if (!parsed.ok) return 'refused';
  const [entry] = [...parsed.model.publicResources, ...parsed.model.privateResources];
  return { stored: read(entry as PublicResource & PrivateEntry) ?? null };
}

const http = (fields: Fields, key = 'web') => ({
  'public-resources': { [key]: { name: 'Web', mode: 'http', 'full-domain': 'web.example.com', ...fields } },
});
const tcp = (fields: Fields) => ({
  'public-resources': { raw: { name: 'Raw', mode: 'tcp', 'proxy-port': 1, ...fields } },
});
const target = (fields: Fields) => http({ targets: [{ hostname: 'a', port: 1, method: 'http', ...fields }] });
const health = (fields: Fields) => target({ healthcheck: { hostname: 'a', port: 1, ...fields } });
const privately = (fields: Fields, key = 'db') => ({
  'private-resources': { [key]: { name: 'Db', mode: 'host', destination: '10.0.0.1', ...fields } },
});
const webBehind = (fields: Fields) =>
  privately({ mode: 'http', destination: 'a', 'full-domain': 'a.example.com', ...fields });

const TARGET = { siteId: 1, ip: 'a', port: 1, method: 'http' };
const RULE = { action: 'ACCEPT', priority: 1 };
const PRIVATE = { name: 'Db', siteId: 1, mode: 'host', destination: '10.0.0.1' };
const WEB_BEHIND = { ...PRIVATE, mode: 'http', destination: 'a', destinationPort: 80, scheme: 'http', domainId: 'd' };

/** As the services do after the pipe. */
const ruled = (dto: Fields): Fields => {
  const read = readRuleValue(dto['match'] as never, dto['value'] as string);
  if ('problem' in read) throw Object.assign(new Error(read.problem), { code: 'validation' });
  return { ...dto, value: read.value };
};
const joined = (dto: Fields): Fields => {
  checkDestination({
    destinationPort: null,
    scheme: null,
    alias: null,
    domainId: null,
    ...dto,
  } as unknown as Destination);
  return dto;
};

type Row = [
  field: string,
  values: 'text' | 'number' | 'word',
  api: (value: unknown) => Promise<Outcome>,
  document: (value: unknown) => Outcome,
];
const update = (field: string) => (value: unknown) => api(UpdateResourceBody, {}, field, value);
const ofTarget = (field: string) => (value: unknown) => api(CreateTargetBody, TARGET, field, value);
const ofPrivate =
  (field: string, base: Fields = PRIVATE) =>
  (value: unknown) =>
    api(CreateSiteResourceBody, base, field, value, joined);
const auth = (fields: Fields) => http({ auth: fields });
const basic = (fields: Fields) => auth({ 'basic-auth': { user: 'user', password: 'password', ...fields } });
const header = (fields: Fields) => [{ name: 'X', value: 'x', ...fields }];
const headerOf = (type: Type<object>, base: Fields, field: string, name: string) => async (value: unknown) => {
  const outcome = await api(type, base, field, header({ [name]: value }));
  return outcome === 'refused' ? outcome : { stored: (outcome.stored as Fields[])[0]![name] };
};

const ROWS: Row[] = [
  ['name', 'text', update('name'), (name) => document(http({ name }), (e) => e.name)],
  [
    'name of a new resource',
    'text',
    (name) => api(CreateResourceBody, { http: false, protocol: 'tcp', proxyPort: 1 }, 'name', name),
    (name) => document(tcp({ name }), (e) => e.name),
  ],
  ['niceId', 'text', update('niceId'), (key) => document(http({}, key as string), (e) => e.key)],
  ['setHostHeader', 'text', update('setHostHeader'), (v) => document(http({ 'host-header': v }), (e) => e.hostHeader)],
  [
    'tlsServerName',
    'text',
    update('tlsServerName'),
    (v) => document(http({ 'tls-server-name': v }), (e) => e.tlsServerName),
  ],
  [
    'responseTimeoutSeconds',
    'number',
    update('responseTimeoutSeconds'),
    (v) => document(http({ 'response-timeout-seconds': v }), (e) => e.responseTimeoutSeconds),
  ],
  [
    'staleSeconds',
    'number',
    update('staleSeconds'),
    (v) => document(http({ 'stale-seconds': v }), (e) => e.staleSeconds),
  ],
  [
    'header name',
    'text',
    headerOf(UpdateResourceBody, {}, 'headers', 'name'),
    (name) => document(http({ headers: header({ name }) }), (e) => e.headers![0]!.name),
  ],
  [
    'header value',
    'text',
    headerOf(UpdateResourceBody, {}, 'headers', 'value'),
    (value) => document(http({ headers: header({ value }) }), (e) => e.headers![0]!.value),
  ],
  [
    'maintenanceTitle',
    'text',
    update('maintenanceTitle'),
    (title) => document(http({ maintenance: { title } }), (e) => e.maintenance!.title),
  ],
  [
    'maintenanceMessage',
    'text',
    update('maintenanceMessage'),
    (message) => document(http({ maintenance: { message } }), (e) => e.maintenance!.message),
  ],
  [
    'maintenanceEstimatedTime',
    'text',
    update('maintenanceEstimatedTime'),
    (v) => document(http({ maintenance: { 'estimated-time': v } }), (e) => e.maintenance!.estimatedTime),
  ],
  [
    'maintenanceModeType',
    'word',
    update('maintenanceModeType'),
    (type) => document(http({ maintenance: { type } }), (e) => e.maintenance!.type),
  ],
  ['proxyPort', 'number', update('proxyPort'), (v) => document(tcp({ 'proxy-port': v }), (e) => e.proxyPort)],
  [
    'proxyProtocolVersion',
    'number',
    update('proxyProtocolVersion'),
    (v) => document(tcp({ 'proxy-protocol-version': v }), (e) => e.proxyProtocolVersion),
  ],
  [
    'password',
    'text',
    (v) => api(PasswordBody, {}, 'password', v),
    (password) => document(auth({ password }), (e) => e.auth!.password),
  ],
  [
    'pincode',
    'text',
    (v) => api(PincodeBody, {}, 'pincode', v),
    (pincode) => document(auth({ pincode }), (e) => e.auth!.pincode),
  ],
  [
    'user of header-auth',
    'text',
    (v) => api(HeaderAuthBody, { password: 'password', extendedCompatibility: true }, 'user', v),
    (user) => document(basic({ user }), (e) => e.auth!.basicAuth!.user),
  ],
  [
    'password of header-auth',
    'text',
    (v) => api(HeaderAuthBody, { user: 'user', extendedCompatibility: true }, 'password', v),
    (password) => document(basic({ password }), (e) => e.auth!.basicAuth!.password),
  ],
  [
    'whitelist',
    'text',
    (v) => api(WhitelistBody, {}, 'emails', [v]),
    (v) => document(auth({ 'whitelist-users': [v] }), (e) => e.auth!.whitelistUsers),
  ],
  ...(['CIDR', 'IP', 'PATH', 'COUNTRY', 'ASN', 'REGION'] as const).map(
    (match): Row => [
      `value of a rule of ${match}`,
      'text',
      (v) => api(CreateRuleBody, { ...RULE, match }, 'value', v, ruled),
      (value) =>
        document(http({ rules: [{ action: 'allow', match: match.toLowerCase(), value }] }), (e) => e.rules[0]!.value),
    ],
  ),
  [
    'priority of a rule',
    'number',
    (v) => api(CreateRuleBody, { ...RULE, match: 'PATH', value: '/' }, 'priority', v),
    (priority) =>
      document(
        http({ rules: [{ action: 'allow', match: 'path', value: '/', priority }] }),
        (e) => e.rules[0]!.priority,
      ),
  ],
  ['ip', 'text', ofTarget('ip'), (hostname) => document(target({ hostname }), (e) => e.targets[0]!.hostname)],
  ['port', 'number', ofTarget('port'), (port) => document(target({ port }), (e) => e.targets[0]!.port)],
  ['method', 'word', ofTarget('method'), (method) => document(target({ method }), (e) => e.targets[0]!.method)],
  ['path', 'text', ofTarget('path'), (path) => document(target({ path }), (e) => e.targets[0]!.path)],
  [
    'pathMatchType',
    'word',
    ofTarget('pathMatchType'),
    (v) => document(target({ 'path-match': v }), (e) => e.targets[0]!.pathMatch),
  ],
  [
    'rewritePath',
    'text',
    ofTarget('rewritePath'),
    (v) => document(target({ 'rewrite-path': v }), (e) => e.targets[0]!.rewritePath),
  ],
  [
    'rewritePathType',
    'word',
    ofTarget('rewritePathType'),
    (v) => document(target({ 'rewrite-match': v }), (e) => e.targets[0]!.rewriteMatch),
  ],
  [
    'priority',
    'number',
    ofTarget('priority'),
    (priority) => document(target({ priority }), (e) => e.targets[0]!.priority),
  ],
  ['hcPath', 'text', ofTarget('hcPath'), (path) => document(health({ path }), (e) => e.targets[0]!.healthcheck!.path)],
  [
    'hcScheme',
    'text',
    ofTarget('hcScheme'),
    (scheme) => document(health({ scheme }), (e) => e.targets[0]!.healthcheck!.scheme),
  ],
  [
    'hcMethod',
    'text',
    ofTarget('hcMethod'),
    (method) => document(health({ method }), (e) => e.targets[0]!.healthcheck!.method),
  ],
  [
    'hcPort',
    'number',
    ofTarget('hcPort'),
    (port) => document(health({ port }), (e) => e.targets[0]!.healthcheck!.port),
  ],
  [
    'hcInterval',
    'number',
    ofTarget('hcInterval'),
    (interval) => document(health({ interval }), (e) => e.targets[0]!.healthcheck!.interval),
  ],
  [
    'hcUnhealthyInterval',
    'number',
    ofTarget('hcUnhealthyInterval'),
    (v) => document(health({ 'unhealthy-interval': v }), (e) => e.targets[0]!.healthcheck!.unhealthyInterval),
  ],
  [
    'hcTimeout',
    'number',
    ofTarget('hcTimeout'),
    (timeout) => document(health({ timeout }), (e) => e.targets[0]!.healthcheck!.timeout),
  ],
  [
    'hcStatus',
    'number',
    ofTarget('hcStatus'),
    (status) => document(health({ status }), (e) => e.targets[0]!.healthcheck!.status),
  ],
  [
    'hcHealthyThreshold',
    'number',
    ofTarget('hcHealthyThreshold'),
    (v) => document(health({ 'healthy-threshold': v }), (e) => e.targets[0]!.healthcheck!.healthyThreshold),
  ],
  [
    'hcUnhealthyThreshold',
    'number',
    ofTarget('hcUnhealthyThreshold'),
    (v) => document(health({ 'unhealthy-threshold': v }), (e) => e.targets[0]!.healthcheck!.unhealthyThreshold),
  ],
  [
    'hcHeaders',
    'text',
    headerOf(CreateTargetBody, TARGET, 'hcHeaders', 'value'),
    (value) => document(health({ headers: header({ value }) }), (e) => e.targets[0]!.healthcheck!.headers![0]!.value),
  ],
  ['name of a private resource', 'text', ofPrivate('name'), (name) => document(privately({ name }), (e) => e.name)],
  [
    'niceId of a private resource',
    'text',
    ofPrivate('niceId'),
    (key) => document(privately({}, key as string), (e) => e.key),
  ],
  ['alias', 'text', ofPrivate('alias'), (alias) => document(privately({ alias }), (e) => e.alias)],
  [
    'alias of a host name',
    'text',
    ofPrivate('alias', { ...PRIVATE, destination: 'nas' }),
    (alias) => document(privately({ destination: 'nas', alias }), (e) => e.alias),
  ],
  [
    'destination of host',
    'text',
    ofPrivate('destination'),
    (destination) => document(privately({ destination }), (e) => e.destination),
  ],
  [
    'destination of a host with alias',
    'text',
    ofPrivate('destination', { ...PRIVATE, alias: 'a.b' }),
    (destination) => document(privately({ destination, alias: 'a.b' }), (e) => e.destination),
  ],
  [
    'destination of cidr',
    'text',
    ofPrivate('destination', { ...PRIVATE, mode: 'cidr' }),
    (destination) => document(privately({ mode: 'cidr', destination }), (e) => e.destination),
  ],
  [
    'destination of http',
    'text',
    ofPrivate('destination', WEB_BEHIND),
    (destination) => document(webBehind({ destination }), (e) => e.destination),
  ],
  ['mode', 'word', ofPrivate('mode'), (mode) => document(privately({ mode }), (e) => e.mode)],
  ['scheme', 'word', ofPrivate('scheme', WEB_BEHIND), (scheme) => document(webBehind({ scheme }), (e) => e.scheme)],
  [
    'destinationPort',
    'number',
    ofPrivate('destinationPort'),
    (v) => document(privately({ 'destination-port': v }), (e) => e.destinationPort),
  ],
  [
    'tcpPortRangeString',
    'text',
    ofPrivate('tcpPortRangeString'),
    (v) => document(privately({ 'tcp-ports': v }), (e) => e.tcpPorts),
  ],
  [
    'udpPortRangeString',
    'text',
    ofPrivate('udpPortRangeString'),
    (v) => document(privately({ 'udp-ports': v }), (e) => e.udpPorts),
  ],
];

describe(`one rule for the API and documents (seed ${SEED})`, () => {
  it.each(ROWS)('%s', async (_field, values, ofApi, ofDocument) => {
    const seen = { taken: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(VALUES[values] as fc.Arbitrary<unknown>, async (value) => {
        const outcome = await ofApi(value);
        expect(ofDocument(value)).toEqual(outcome);
        seen[outcome === 'refused' ? 'refused' : 'taken']++;
        // What is stored is taken again, as it is.
        if (outcome !== 'refused' && outcome.stored !== null && !Array.isArray(outcome.stored))
          expect(await ofApi(outcome.stored)).toEqual(outcome);
      }),
      { seed: SEED, numRuns: RUNS },
    );
    expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(0);
  });
});
