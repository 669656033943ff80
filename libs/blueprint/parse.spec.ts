import { describe, expect, it } from 'vitest';
import { model, privately, problems, publicly, resource, web } from '../../test/support/parsed-blueprint.js';
import { environmentTemplates } from './index.js';

/** The fleet example of the provisioning documentation, word for word. */
const FLEET = `private-resources:
  ssh-resource:
    name: SSH Server
    mode: host
    destination: localhost
    site: "{{env.SERIAL_NUMBER}}-site"
    tcp-ports: "22,3389"
    udp-ports: "*"
    disable-icmp: false
    roles:
      - Customer1
      - DevOps
    users:
      - user@example.com
public-resources:
  secure-resource:
    name: Web Resource
    protocol: http
    full-domain: "{{env.SERIAL_NUMBER}}.example.com"
    auth:
      sso-enabled: true
      sso-roles:
        - Member
        - Admin
      sso-users:
        - user@example.com
`;

describe('the fleet example', () => {
  it('is read as its author meant: localhost without alias, Admin named, the site by its name, a public resource without targets', () => {
    const { privateResources, publicResources } = model(FLEET, {
      templates: environmentTemplates({ SERIAL_NUMBER: 'SN042' }),
    });
    expect(privateResources).toEqual([
      {
        key: 'ssh-resource',
        name: 'SSH Server',
        mode: 'host',
        enabled: true,
        sites: ['SN042-site'],
        destination: 'localhost',
        destinationPort: null,
        tcpPorts: '22,3389',
        udpPorts: '*',
        disableIcmp: false,
        fullDomain: null,
        ssl: false,
        scheme: null,
        alias: null,
        roles: ['Customer1', 'DevOps'],
        users: ['user@example.com'],
        machines: [],
      },
    ]);
    expect(publicResources).toEqual([
      {
        key: 'secure-resource',
        targetsOnly: false,
        name: 'Web Resource',
        mode: 'http',
        enabled: true,
        ssl: true,
        scheme: null,
        fullDomain: 'sn042.example.com',
        proxyPort: null,
        proxyProtocol: false,
        proxyProtocolVersion: 1,
        hostHeader: null,
        tlsServerName: null,
        responseTimeoutSeconds: 60,
        staleSeconds: null,
        headers: null,
        targets: [],
        rules: [],
        applyRules: false,
        maintenance: null,
        sitesMayAddTargets: null,
        auth: {
          pincode: null,
          password: null,
          basicAuth: null,
          ssoEnabled: true,
          ssoRoles: ['Member'],
          ssoUsers: ['user@example.com'],
          whitelistUsers: [],
          whitelistEnabled: false,
        },
      },
    ]);
  });

  it('names the variable that is missing, where it is needed', () => {
    expect(problems(FLEET, { templates: environmentTemplates({}) })).toEqual([
      '6:12 private-resources.ssh-resource.site: the environment variable SERIAL_NUMBER, needed by {{env.SERIAL_NUMBER}}, is not set',
      '19:19 public-resources.secure-resource.full-domain: the environment variable SERIAL_NUMBER, needed by {{env.SERIAL_NUMBER}}, is not set',
    ]);
  });

  it('is the same as JSON', () => {
    const options = { templates: environmentTemplates({ SERIAL_NUMBER: 'SN042' }) };
    const json = JSON.stringify({
      'private-resources': {
        'ssh-resource': {
          name: 'SSH Server',
          mode: 'host',
          destination: 'localhost',
          site: '{{env.SERIAL_NUMBER}}-site',
          'tcp-ports': '22,3389',
          'udp-ports': '*',
          'disable-icmp': false,
          roles: ['Customer1', 'DevOps'],
          users: ['user@example.com'],
        },
      },
      'public-resources': {
        'secure-resource': {
          name: 'Web Resource',
          protocol: 'http',
          'full-domain': '{{env.SERIAL_NUMBER}}.example.com',
          auth: { 'sso-enabled': true, 'sso-roles': ['Member', 'Admin'], 'sso-users': ['user@example.com'] },
        },
      },
    });
    for (const format of ['auto', 'json', 'yaml'] as const)
      expect(model(json, { ...options, format })).toEqual(model(FLEET, options));
  });
});

describe('what is not known', () => {
  it.each([
    ['public-resorces: {}', '1:1 public-resorces: is not known here; did you mean "public-resources"?'],
    [
      web('fullDomain: x.example.com'),
      '6:5 public-resources.web.fullDomain: is not known here; did you mean "full-domain"?',
    ],
    [
      web('targets:\n  - hostnme: a\n    hostname: a\n    port: 1\n    method: http'),
      '7:9 public-resources.web.targets[0].hostnme: is not known here; did you mean "hostname"?',
    ],
    [
      web('auth:\n  sso-role: [a]'),
      '7:7 public-resources.web.auth.sso-role: is not known here; did you mean "sso-roles"?',
    ],
    [
      privately('name: D\nmode: hots\ndestination: 10.0.0.1'),
      '4:11 private-resources.db.mode: must be host, cidr or http, not "hots"; did you mean "host"?',
    ],
    ['sites:\n  a: {name: A, zzz: 1}', '2:16 sites.a.zzz: is not known here; known are name, docker-socket-enabled'],
  ])('is an error with its place: %j', (text, expected) => {
    expect(problems(text)).toEqual([expected]);
  });

  it('does not hide what else is wrong', () => {
    expect(problems(publicly('nam: x\nmode: htp'))).toEqual([
      '3:5 public-resources.web.name: is required',
      '3:5 public-resources.web.nam: is not known here; did you mean "name"?',
      '4:11 public-resources.web.mode: must be http, tcp or udp, not "htp"; did you mean "http"?',
    ]);
  });
});

describe('spellings', () => {
  it('of the sections are both read, the newer one wins', () => {
    const text = `proxy-resources:\n  a: {name: Old, mode: tcp, proxy-port: 1}\n  b: {name: B, mode: tcp, proxy-port: 2}\n${publicly('name: New\nmode: tcp\nproxy-port: 3', 'a')}`;
    expect(model(text).publicResources).toMatchObject([
      { key: 'a', name: 'New', proxyPort: 3 },
      { key: 'b', name: 'B' },
    ]);
    expect(
      model(
        `${publicly('name: New\nmode: tcp\nproxy-port: 3', 'a')}proxy-resources:\n  a: {name: Old, mode: tcp, proxy-port: 1}\n`,
      ).publicResources,
    ).toMatchObject([{ name: 'New' }]);
    expect(
      model('client-resources:\n  a: {name: A, mode: cidr, destination: 10.0.0.0/8}').privateResources,
    ).toHaveLength(1);
  });

  it('of fields: the older ones are still read, and win', () => {
    const [target] = resource(
      web(
        'targets:\n  - {hostname: a, port: 1, method: http, rewrite-path: /new, rewritePath: /old, healthcheck: {hostname: a, port: 1, unhealthyInterval: 7, unhealthy-interval: 8, followRedirects: false}}',
      ),
    ).targets;
    expect(target).toMatchObject({
      rewritePath: '/old',
      healthcheck: { unhealthyInterval: 7, followRedirects: false },
    });
  });

  it('mode and protocol may both be there when they agree', () => {
    expect(resource(web('protocol: http')).mode).toBe('http');
    expect(problems(web('protocol: tcp'))[0]).toMatch(
      /^4:11 public-resources.web.mode: says http, but protocol says tcp/,
    );
  });
});

describe('defaults', () => {
  it('of a target and its health check', () => {
    expect(
      resource(
        web(
          'targets: [{hostname: web_1, port: 80, method: http, rewrite-match: stripPrefix, healthcheck: {hostname: web_1, port: 80}}, null, {}]',
        ),
      ).targets,
    ).toEqual([
      {
        site: null,
        hostname: 'web_1',
        port: 80,
        method: 'http',
        insecureTls: false,
        enabled: true,
        internalPort: null,
        path: null,
        pathMatch: null,
        rewritePath: '/',
        rewriteMatch: 'stripPrefix',
        priority: 100,
        healthcheck: {
          hostname: 'web_1',
          port: 80,
          enabled: true,
          path: null,
          scheme: null,
          mode: 'http',
          interval: 30,
          unhealthyInterval: 30,
          timeout: 5,
          headers: null,
          followRedirects: true,
          method: null,
          status: null,
          healthyThreshold: 1,
          unhealthyThreshold: 1,
        },
      },
    ]);
  });

  it('of rules: their place is their priority', () => {
    const { rules } = resource(
      web(
        'rules:\n  - {action: allow, match: ip, value: 10.0.0.1}\n  - {action: deny, match: region, value: 150, priority: 9, enabled: false}\n  - {action: pass, match: asn, value: as64500}',
      ),
    );
    expect(rules).toEqual([
      { action: 'ACCEPT', match: 'IP', value: '10.0.0.1', priority: 1, enabled: true },
      { action: 'DROP', match: 'REGION', value: '150', priority: 9, enabled: false },
      { action: 'PASS', match: 'ASN', value: 'AS64500', priority: 3, enabled: true },
    ]);
  });

  it('of a private web resource', () => {
    expect(
      model(privately('name: D\nmode: http\ndestination: intranet\nfull-domain: Intra.Example.com\nscheme: https'))
        .privateResources[0],
    ).toMatchObject({
      destinationPort: 443,
      tcpPorts: '443,80',
      udpPorts: '',
      disableIcmp: true,
      fullDomain: 'intra.example.com',
      ssl: false,
    });
  });

  it('of a site', () => {
    expect(model('sites:\n  edge:\n    name: Edge').sites).toEqual([
      { key: 'edge', name: 'Edge', dockerSocketEnabled: true },
    ]);
  });

  it('an empty document is one only when it says so', () => {
    expect(model('{}')).toEqual({ sites: [], publicResources: [], privateResources: [] });
    expect(model('public-resources:\nsites: {}')).toEqual(model('{}'));
    for (const text of ['', '   \n', '# nothing\n', 'null', '---\n'])
      expect(problems(text)).toEqual([expect.stringContaining('the document is empty')]);
  });
});

describe('types', () => {
  it('a number where the schema wants text is that text, as it was written', () => {
    expect(
      resource(publicly('name: 007\nmode: http\nfull-domain: a.b\nauth: {pincode: 012345, password: 1.10}')),
    ).toMatchObject({ name: '007', auth: { pincode: '012345', password: '1.10' } });
  });

  it.each([
    [web('ssl: "true"'), /web.ssl: must be true or false, not "true"/],
    [web('ssl: yes'), /must be true or false, not "yes"/],
    [publicly('name: true\nmode: tcp\nproxy-port: 1'), /must be text, not true: write it in quotes/],
    [publicly('name: A\nmode: tcp\nproxy-port: "80"'), /must be a whole number from 1 to 65535, not "80"/],
    [publicly('name: A\nmode: tcp\nproxy-port: 80.5'), /not 80.5/],
    [publicly('name: A\nmode: tcp\nproxy-port: 65536'), /from 1 to 65535/],
    [web('targets: {a: 1}'), /targets: must be a list, not a map/],
    [web('targets: [x]'), /targets\[0\]: must be a map, not text/],
    [publicly('name: A\nmode: http\nfull-domain: [a]'), /full-domain: must be text, not a list/],
    ['public-resources: [a]', /public-resources: must be a map, not a list/],
    ['public-resources:\n  a:\n', /2:3 public-resources.a: must be a map, not nothing/],
    ['- a', /a blueprint must be a map, not a list/],
    ['hello', /a blueprint must be a map, not text/],
  ])('%j is a problem', (text, expected) => {
    expect(problems(text).join('\n')).toMatch(expected);
  });
});
