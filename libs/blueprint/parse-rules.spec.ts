import { describe, expect, it } from 'vitest';
import { model, privately, problems, publicly, resource, web } from '../../test/support/parsed-blueprint.js';
import { environmentTemplates, OPEN_SITE_TEMPLATES, parse, toYaml } from './index.js';

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
      /alias: is required: a host name is reached by an alias/,
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
      'e-mail patterns have a domain',
      web('auth: {whitelist-users: ["*@example"]}'),
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
      /headers\[0\].value: must be printable ASCII/,
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

  describe('the older name of the mode of a private resource', () => {
    const web =
      'name: Memory\nfull-domain: memory.example.com\ndestination: memory-main\ndestination-port: 8000\nroles: [Member]\n';
    it('is read alone and beside mode', () => {
      const [mode, protocol, both] = ['mode: http', 'protocol: http', 'mode: http\nprotocol: http'].map((said) =>
        model(privately(`${web}${said}`)),
      );
      expect(protocol).toEqual(mode);
      expect(both).toEqual(mode);
      expect(model(privately('name: A\nprotocol: cidr\ndestination: 10.0.0.0/8')).privateResources[0]?.mode).toBe(
        'cidr',
      );
    });
    it.each([
      ['protocol: host\nmode: http', /mode: says http, but protocol says host/],
      ['protocol: tcp', /protocol: must be host, cidr or http, not "tcp"/],
      ['enabled: true', /mode: is required: host, cidr or http/],
    ])('is refused: %s', (said, problem) =>
      expect(problems(privately(`${web}${said}`))).toContainEqual(expect.stringMatching(problem)),
    );
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
    [privately('name: A\nprotocol: ssh'), 'protocol: ssh is not available yet'],
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
