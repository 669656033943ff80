import { describe, expect, it } from 'vitest';
import {
  describeProblem,
  environmentTemplates,
  OPEN_SITE_TEMPLATES,
  type ParseOptions,
  parse,
  placesOf,
  siteTemplates,
  toDocument,
  toYaml,
} from './index.js';
import type { Blueprint, PublicResource } from './model.js';

function model(text: string, options: ParseOptions = {}): Blueprint {
  const parsed = parse(text, options);
  if (!parsed.ok) throw new Error(parsed.problems.map(describeProblem).join('\n'));
  return parsed.model;
}
const problems = (text: string, options: ParseOptions = {}) => parse(text, options).problems.map(describeProblem);
const publicly = (fields: string, key = 'web') =>
  `public-resources:\n  ${key}:\n    ${fields.replaceAll('\n', '\n    ')}\n`;
const privately = (fields: string, key = 'db') =>
  `private-resources:\n  ${key}:\n    ${fields.replaceAll('\n', '\n    ')}\n`;
const web = (fields = '') => publicly(`name: Web\nmode: http\nfull-domain: web.example.com\n${fields}`);
const resource = (text: string, options?: ParseOptions) => model(text, options).publicResources[0] as PublicResource;

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
        headers: null,
        targets: [],
        rules: [],
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

describe('rules of the document', () => {
  it.each([
    ['http needs a domain', publicly('name: A\nmode: http'), /web.full-domain: is required/],
    [
      'http needs a method',
      web('targets: [{hostname: a, port: 1}]'),
      /6:15 public-resources.web.targets\[0\].method: is required for http/,
    ],
    ['tcp needs a port', publicly('name: A\nmode: tcp'), /proxy-port: is required/],
    ['tcp has no auth', publicly('name: A\nmode: tcp\nproxy-port: 1\nauth: {}'), /auth: is only for http, not for tcp/],
    [
      'udp has no method',
      publicly('name: A\nmode: udp\nproxy-port: 1\ntargets: [{hostname: a, port: 1, method: http}]'),
      /method: is only for http, not for udp/,
    ],
    [
      'udp has no proxy protocol',
      publicly('name: A\nmode: udp\nproxy-port: 1\nproxy-protocol: true'),
      /proxy-protocol: is only for tcp, not for udp/,
    ],
    [
      'a wildcard is the first label',
      publicly('name: A\nmode: http\nfull-domain: a.*.example.com'),
      /full-domain: must be a host name/,
    ],
    [
      'a wildcard has two labels behind it',
      publicly('name: A\nmode: http\nfull-domain: "*.com"'),
      /full-domain: must be a host name/,
    ],
    [
      'priorities are unique',
      web(
        'rules: [{action: allow, match: ip, value: 10.0.0.1, priority: 2}, {action: deny, match: ip, value: 10.0.0.2}]',
      ),
      /rules\[1\].priority: 2 is the priority of rules\[0\] too/,
    ],
    [
      'domains are unique',
      `${web()}  two: {name: B, mode: http, full-domain: WEB.example.com}`,
      /two.full-domain: "web.example.com" is taken by public-resources.web/,
    ],
    [
      'a wildcard covers names',
      `${web()}  two: {name: B, mode: http, full-domain: "*.example.com"}`,
      /web.full-domain: "web.example.com" is covered by the wildcard of public-resources.two/,
    ],
    [
      'ports are unique',
      `${publicly('name: A\nmode: tcp\nproxy-port: 1')}  two: {name: B, mode: tcp, proxy-port: 1}`,
      /two.proxy-port: "tcp port 1" is taken by public-resources.web/,
    ],
    [
      'aliases are unique',
      `${privately('name: A\nmode: host\ndestination: 10.0.0.1\nalias: a.b')}  two: {name: B, mode: host, destination: 10.0.0.2, alias: A.b}`,
      /two.alias: "a.b" is taken by private-resources.db/,
    ],
    [
      'a host name needs an alias',
      privately('name: A\nmode: host\ndestination: nas'),
      /destination: a host name needs an alias/,
    ],
    [
      'an address has four bytes',
      privately('name: A\nmode: host\ndestination: 10.0.0.256\nalias: a.b'),
      /destination: must be an IP address or a host name/,
    ],
    [
      'a pattern needs an address',
      privately('name: A\nmode: host\ndestination: nas\nalias: "*.nas.lan"'),
      /alias: a pattern needs an IP address/,
    ],
    [
      'cidr is a range',
      privately('name: A\nmode: cidr\ndestination: 10.0.0.1'),
      /destination: must be an address range/,
    ],
    [
      'only http has a domain',
      privately('name: A\nmode: host\ndestination: 10.0.0.1\nfull-domain: a.b'),
      /full-domain: is only for http, not for host/,
    ],
    ['port ranges', privately('name: A\nmode: host\ndestination: 10.0.0.1\ntcp-ports: 80-22'), /tcp-ports: must be/],
    [
      'e-mail patterns are no members',
      web('auth: {whitelist-users: ["*@example.com"]}'),
      /whitelist-users\[0\]: must be an e-mail address/,
    ],
    [
      'a rule has a form',
      web('rules: [{action: deny, match: cidr, value: 10.0.0.0/33}]'),
      /value: must be an address range/,
    ],
    [
      'a header holds one line',
      web('headers: [{name: X, value: "a\\nb"}]'),
      /headers\[0\].value: must not contain control characters/,
    ],
    [
      'a path matched by regex is an RE2 pattern',
      web('targets: [{hostname: a, port: 1, method: http, path: "^/(?=a)", path-match: regex}]'),
      /^6:\d+ public-resources.web.targets\[0\].path: does not compile as an RE2 pattern/,
    ],
    [
      'a path rewritten by regex too',
      web('targets: [{hostname: a, port: 1, method: http, path: "/(a", path-match: prefix, rewrite-match: regex}]'),
      /targets\[0\].path: does not compile/,
    ],
    [
      'a header has a name',
      web('headers: [{name: "a b", value: x}]'),
      /headers\[0\].name: must be the name of a header/,
    ],
  ])('%s', (_what, text, expected) => {
    expect(problems(text)).toEqual([expect.stringMatching(expected)]);
  });

  it('a path that is no pattern may hold anything, and one that is unknown yet is left for later', () => {
    const target = (path: string, match: string) =>
      web(`targets: [{hostname: a, port: 1, method: http, path: "${path}", path-match: ${match}}]`);
    expect(resource(target('/(a', 'prefix')).targets[0]?.path).toBe('/(a');
    expect(resource(target('^/(a|b)$', 'regex')).targets[0]?.path).toBe('^/(a|b)$');
    expect(problems(target('({{site.name}}', 'regex'), { templates: OPEN_SITE_TEMPLATES })).toEqual([]);
  });

  it('the same port for tcp and udp, the same domain public and private are no duplicates', () => {
    const text = `${publicly('name: A\nmode: tcp\nproxy-port: 1')}  two: {name: B, mode: udp, proxy-port: 1}\n  three: {name: C, mode: http, full-domain: a.b}\n${privately('name: D\nmode: http\ndestination: x\nfull-domain: a.b')}`;
    expect(model(text).publicResources).toHaveLength(3);
  });

  it('do not hold for an entry with nothing but targets', () => {
    expect(model(publicly('targets: [{hostname: a, port: 1}]')).publicResources).toMatchObject([
      { targetsOnly: true, targets: [{ method: null }] },
    ]);
    expect(problems(publicly('targets: [{hostname: a, port: 1}]\nssl: true')).join()).toMatch(
      /web.mode: is required.*web.name: is required/,
    );
  });

  it('a localhost destination needs no alias, any other does', () => {
    expect(model(privately('name: A\nmode: host\ndestination: nas\nalias: nas.lan')).privateResources[0]?.alias).toBe(
      'nas.lan',
    );
    expect(
      model(privately('name: A\nmode: host\ndestination: localhost\nroles: [Admin, Admin, Ops]')).privateResources[0]
        ?.roles,
    ).toEqual(['Ops']);
  });
});

describe('what nothing could enforce yet is refused', () => {
  it.each([
    [publicly('name: A\nmode: ssh'), 'mode: ssh is not available yet'],
    [publicly('name: A\nprotocol: vnc'), 'protocol: vnc is not available yet'],
    [web('policy: strict'), 'policy: is not available yet'],
    [web('auth-daemon: {mode: site}'), 'auth-daemon: is not available yet'],
    [web('auth: {auto-login-idp: 3}'), 'auto-login-idp: is not available yet'],
    ['public-policies: {a: {}}', 'public-policies: is not available yet'],
    [privately('name: A\nmode: ssh'), 'mode: ssh is not available yet'],
  ])('%j', (text, expected) => {
    expect(problems(text)).toEqual([expect.stringContaining(expected)]);
  });

  it('what can be is taken', () => {
    expect(
      resource(publicly('name: A\nmode: tcp\nproxy-port: 25\nproxy-protocol: true\nproxy-protocol-version: 2')),
    ).toMatchObject({ proxyProtocol: true, proxyProtocolVersion: 2 });
    expect(
      model(privately('name: A\nmode: host\ndestination: "::1"\nenabled: false')).privateResources[0]?.enabled,
    ).toBe(false);
  });
});

describe('targets of one resource', () => {
  const two = (first: string, second: string) =>
    problems(web(`targets: [{method: http, ${first}}, null, {method: https, ${second}}]`), {
      templates: environmentTemplates({ P: '80' }),
    });

  it('with one site, host, port and path are an error at the second', () => {
    const told = [
      '6:62 public-resources.web.targets[2].hostname: targets[0] has the same site, host, port and path: a target is known by them',
    ];
    expect(two('hostname: a, port: 80', 'hostname: a, port: 80').map((one) => one.replace(/^\d+:\d+/, '6:62'))).toEqual(
      told,
    );
    expect(
      two('hostname: a, port: 80, site: x, path: /y', 'hostname: A, port: "{{env.P}}", site: x, path: /y'),
    ).toHaveLength(1);
  });

  it.each([['port: 81'], ['port: 80, site: x'], ['port: 80, path: /x']])('that differ are two (%s)', (other) => {
    expect(two('hostname: a, port: 80', `hostname: a, ${other}`)).toEqual([]);
  });

  it('that nobody has filled in yet are not compared', () => {
    const text = publicly(
      'name: A\nmode: tcp\nproxy-port: 1\ntargets: [{hostname: a, port: "{{label.a}}"}, {hostname: a, port: "{{label.b}}"}]',
    );
    expect(problems(text, { templates: OPEN_SITE_TEMPLATES })).toEqual([]);
  });
});

describe('templates', () => {
  const env = (values: Record<string, string>): ParseOptions => ({ templates: environmentTemplates(values) });

  it.each([
    ['{{env.A}}', 'x'],
    ['"{{ env.A }}"', 'x'],
    ['a-{{env.A}}-b', 'a-x-b'],
    ['{{env.NONE | default "y z"}}', 'y z'],
    ['"{{env.NONE | default "y: z"}}"', 'y: z'],
    [String.raw`"{{env.NONE | default \"y\"}}"`, 'y'],
    [`'{{env.NONE|default "y"}}'`, 'y'],
    ['{{env.A | default "y"}}', 'x'],
    ['{{env.NONE | default "a}b"}}', 'a}b'],
    ['"{{env.NONE | default "{a}} {{b"}}"', '{a}} {{b'],
  ])('%s is filled in', (written, value) => {
    expect(resource(publicly(`name: ${written}\nmode: tcp\nproxy-port: 1`), env({ A: 'x' })).name).toBe(value);
  });

  it('digits become a number and true a boolean only where the schema wants one', () => {
    const text = publicly('name: "{{env.PORT}}"\nmode: tcp\nproxy-port: "{{env.PORT}}"\nenabled: {{env.ON}}');
    expect(resource(text, env({ PORT: '8080', ON: 'false' }))).toMatchObject({
      name: '8080',
      proxyPort: 8080,
      enabled: false,
    });
    expect(problems(text, env({ PORT: '80 ', ON: 'no' }))).toEqual([
      '5:17 public-resources.web.proxy-port: must be a whole number from 1 to 65535, not "80 "',
      '6:14 public-resources.web.enabled: must be true or false, not "no"',
    ]);
  });

  it('may name a resource, and no other key', () => {
    const text = 'public-resources:\n  {{env.ID}}-web: {name: A, mode: tcp, proxy-port: 1}';
    expect(model(text, env({ ID: 'x"\'y' })).publicResources[0]?.key).toBe('x"\'y-web');
    expect(problems(`${text}\n  7-web: {name: B, mode: tcp, proxy-port: 2}`, env({ ID: '7' }))).toEqual([
      '3:3 public-resources.7-web: is given twice',
    ]);
    expect(
      problems(publicly('{{env.KEY}}: x\nname: A\nmode: tcp\nproxy-port: 1'), env({ KEY: 'enabled' })).join(),
    ).toContain('a template may stand in values');
  });

  it('a value is not looked through again', () => {
    for (const value of ['{{env.B}}', '{{', '{{env.B', 'a {{ b }} c']) {
      const parsed = model(publicly('name: "<{{env.A}}>"\nmode: tcp\nproxy-port: 1'), env({ A: value, B: 'b' }));
      expect(parsed.publicResources[0]).toMatchObject({ name: `<${value}>` });
      // So it is sent, and read as it is.
      expect(model(JSON.stringify(toDocument(parsed)), { literal: true })).toEqual(parsed);
    }
  });

  it.each(['"{{env.A}"', '"{{env.A"', '"{{env.A} }"', "'{{ env.A'", '"x {{env.A|default"'])(
    '%s begins one and does not end it',
    (written) => {
      expect(problems(publicly(`name: ${written}\nmode: tcp\nproxy-port: 1`), env({ A: 'a' }))).toEqual([
        expect.stringMatching(/^3:11 public-resources.web.name: .*begins a template that does not end/),
      ]);
      expect(
        problems(publicly('name: x\nmode: tcp\nproxy-port: 1').replace('web:', `${written}:`), env({ A: 'a' })).join(),
      ).toContain('begins a template that does not end');
    },
  );

  it.each(['{{other}}', '{{env.A | upper}}', '{{env.}}', '{{host.name}}', '{{env.A-B}}'])(
    '%s is not understood',
    (written) => {
      expect(problems(publicly(`name: x ${written}\nmode: tcp\nproxy-port: 1`), env({ A: 'a' }))).toEqual([
        expect.stringMatching(/^3:13 public-resources.web.name: \{\{.*is not understood/),
      ]);
    },
  );

  it('need a variable that is set to something, and say so once however often an alias repeats it', () => {
    const text = 'public-resources:\n  a: {targets: &t [{hostname: "{{env.A}}", port: 1}]}\n  b: {targets: *t}\n';
    expect(problems(text, env({ A: '' }))).toEqual([
      '2:32 public-resources.a.targets[0].hostname: the environment variable A, needed by {{env.A}}, is not set',
    ]);
    expect(model(text, env({ A: 'x' })).publicResources[1]?.targets).toMatchObject([{ hostname: 'x' }]);
  });

  it('do not reach from one text into another', () => {
    expect(model('{"sites":{"a":{"name":"{{","docker-socket-enabled":false}}}').sites).toEqual([
      { key: 'a', name: '{{', dockerSocketEnabled: false },
    ]);
    expect(problems(`sites: {a: {name: '{{env.A | default x"y"}}'}}`, env({}))).toEqual([
      '1:19 sites.a.name: {{env.A | default x"y"}} is not understood: write {{env.NAME}} or {{env.NAME | default "text"}}',
    ]);
    expect(problems(`sites: {a: {name: {{ env.TH | default '10.0.0.1' }}}}`, env({}))[0]).toMatch(
      /^1:19 sites.a.name: .*a template stands in quotes: "\{\{env.NAME\}\}"/,
    );
  });

  it('are counted as written in places behind them', () => {
    expect(
      problems(`public-resources:\n  web: {name: "{{env.A}}", mode: bad}`, env({ A: 'a much longer text' }))[0],
    ).toMatch(/^2:34 /);
  });

  it("are the server's in a profile, and nobody's without a resolver", () => {
    const text = privately(
      'name: "{{site.name}} {{label.room | default "none"}}"\nmode: host\ndestination: 10.0.0.1\nsite: "{{site.niceId}}"',
    );
    const templates = siteTemplates({ name: 'Edge', niceId: 'calm-otter', hardwareId: null, labels: { room: '' } });
    expect(model(text, { templates }).privateResources[0]).toMatchObject({ name: 'Edge none', sites: ['calm-otter'] });
    expect(
      problems(privately('name: "{{site.hardwareId}}"\nmode: host\ndestination: 10.0.0.1'), { templates }),
    ).toEqual([expect.stringContaining('the site has no hardwareId')]);
    expect(problems(text).join('\n')).toContain("{{site.name}} is filled in by the server, in a profile's blueprint");
    expect(problems('# {{anything}} in a comment\n{}')).toEqual([]);
  });

  it("a profile's blueprint is checked before there is a site", () => {
    const open: ParseOptions = { templates: OPEN_SITE_TEMPLATES };
    const text = `${privately('name: A\nmode: cidr\ndestination: "{{label.net}}"')}${publicly('name: B\nmode: tcp\nproxy-port: "{{label.port}}"')}`;
    expect(problems(text, open)).toEqual([]);
    expect(problems(`${text}    nam: x\n`, open)).toHaveLength(1);
    expect(problems(privately('name: "{{site.serial}}"\nmode: host\ndestination: 10.0.0.1'), open)).toEqual([
      expect.stringContaining('is not understood'),
    ]);
  });
});

describe('YAML', () => {
  it('has anchors, aliases and merge keys', () => {
    const text =
      'public-resources:\n  a: &a {name: A, mode: tcp, proxy-port: 1}\n  b:\n    <<: *a\n    proxy-port: 2\n';
    expect(model(text).publicResources).toMatchObject([{ proxyPort: 1 }, { name: 'A', mode: 'tcp', proxyPort: 2 }]);
  });

  it.each([
    ['a duplicate key', web('name: Again'), '6:5 public-resources.web.name: is given twice'],
    ['a duplicate key in JSON', '{"sites":{"a":{"name":"A","name":"B"}}}', '1:27 sites.a.name: is given twice'],
    [
      'a number as key',
      'public-resources:\n  8080: {name: A, mode: tcp, proxy-port: 1}',
      '2:3 public-resources: a key must be text, not "8080": write "8080" in quotes',
    ],
    ['a map as key', '? {a: b}\n: c', /^1:3 a key must be text/],
    ['a second document', 'sites: {}\n---\nsites: {}', /^2:\d+ there is a second document/],
    ['a cyclic anchor', 'sites: &a\n  b: *a', '2:6 sites.b: the alias *a stands inside its own anchor'],
    [
      'a bomb of aliases',
      `sites: &a0 [x]\n${Array.from({ length: 20 }, (_, i) => `k${i}: &a${i + 1} [${`*a${i},`.repeat(9)}]`).join('\n')}`,
      /the document has more than 200000 values, aliases written out/,
    ],
    ['an unknown anchor', 'sites: *a', /there is no anchor|Unresolved alias/],
    ['a control character', 'sites: {}\n# \u0007', '2:3 the character U+0007 cannot be in a blueprint'],
    [
      'an escaped control character',
      publicly('name: "a\\u0000b"\nmode: tcp\nproxy-port: 1'),
      /name: must not contain control characters/,
    ],
    ['half a character', 'sites: {}\n# \ud83d', '2:3 the character U+D83D cannot be in a blueprint'],
    ['a noncharacter', 'sites: {} # \ufdd0', '1:13 the character U+FDD0 cannot be in a blueprint'],
    ['a tag', publicly('name: !secret A\nmode: tcp\nproxy-port: 1'), /^3:11 not valid YAML/],
    ['a tab for indentation', 'sites:\n\ta: 1', /not valid YAML/],
    ['a bracket left open', 'sites: {', /not valid YAML/],
  ])('%s is a problem', (_what, text, expected) => {
    const [first] = problems(text);
    if (typeof expected === 'string') expect(first).toBe(expected);
    else expect(first).toMatch(expected);
  });

  it('strict JSON is asked for with its format', () => {
    expect(problems('sites: {}', { format: 'json' })).toEqual([expect.stringMatching(/^1:1 not valid JSON/)]);
    expect(problems('{"sites":{},}', { format: 'json' })).toEqual([
      expect.stringMatching(/^1:13 not valid JSON: a key/),
    ]);
    expect(model('{sites: {}}')).toEqual(model('{}'));
  });

  it('is limited in bytes, and the caller may allow up to 1 MB', () => {
    const large = `{} # ${'x'.repeat(300 * 1024)}`;
    expect(problems(large)).toEqual([expect.stringMatching(/at most 262144 are read/)]);
    expect(problems(large, { maxBytes: 400 * 1024 })).toEqual([]);
    expect(problems(' '.repeat(1024 * 1024 + 1), { maxBytes: 1e9 })).toEqual([
      expect.stringMatching(/at most 1048576 are read/),
    ]);
  });
});

it.each(['{a: {b: 1\n', 'public-resources: {web: {name: x\nfoo: 1\n', '[[[['])('names one mistake once: %j', (text) => {
  const { problems } = parse(text);
  expect(new Set(problems.map(({ line, column }) => `${line}:${column}`)).size).toBe(problems.length);
});

describe('places', () => {
  const text =
    'proxy-resources:\n  a.b:\n    targets:\n      - hostname: x\n        port: 1\n      - {hostname: "{{env.X}}", port: 2}\n  a: {name: A}\n';
  it.each([
    ['public-resources.a.b.targets[1]', 6, 9],
    ['public-resources.a.b.targets[1].port', 6, 39],
    ['public-resources.a.b.targets', 3, 5],
    ['public-resources.a.b', 2, 3],
    ['public-resources.a.name', 7, 13],
    ['public-resources.a.b.targets[1].path', 6, 9],
    ['public-resources.a.b.targets[9]', 4, 7],
    ['public-resources.c', 1, 1],
    ['private-resources.x', 0, 0],
    ['', 0, 0],
  ])('of %s', (path, line, column) =>
    expect(placesOf(text, { templates: environmentTemplates({ X: 'x' }) }, [path])).toEqual([{ line, column }]),
  );
  it('of what cannot be read are none', () =>
    expect(placesOf('{a: [', {}, ['a', 'b'])).toEqual([
      { line: 0, column: 0 },
      { line: 0, column: 0 },
    ]));
});

describe('what only an operator says', () => {
  const said = (rights: string) =>
    `public-resources:\n  web:\n    name: W\n    mode: http\n    full-domain: a.b\n    sites-may-add-targets: ${rights}\n`;
  it.each([
    ['{sites: [one, two]}', { sites: ['one', 'two'] }],
    ['{sites: []}', { sites: [] }],
    ['{labels: {room: "7", a/b: c}}', { labels: { room: '7', 'a/b': 'c' } }],
  ])('%s, there and back', (rights, sitesMayAddTargets) => {
    const parsed = parse(said(rights), { operators: true });
    expect(parsed.model?.publicResources).toMatchObject([{ sitesMayAddTargets }]);
    expect(parse(toYaml(parsed.model!), { operators: true })).toEqual(parsed);
  });
  it.each([
    '{}',
    '{sites: [], labels: {a: b}}',
    '{labels: {}}',
    '{labels: {a=b: c}}',
    '{labels: {a: [b]}}',
    '{site: a}',
    '[one]',
    'all',
  ])('refuses %s', (rights) => {
    expect(problems(said(rights), { operators: true })[0]).toMatch(
      /^6:\d+ public-resources\.web\.sites-may-add-targets/,
    );
  });
  it('is refused in any other document', () => {
    expect(problems(said('{sites: [one]}'))).toEqual([
      '6:28 public-resources.web.sites-may-add-targets: is for the operator to say, not for a document of a site',
    ]);
    expect(problems(said('null'))).toEqual([]);
  });
});
