import fc from 'fast-check';
import type { Blueprint, Header, HealthCheck, PrivateEntry, PublicEntry, Rule, Target } from '#blueprint';
import { NICE_ID_RULE, nameKey, nameProblem, normalName, readText } from '#contracts';

/** Blueprints of every shape, for property tests. */

const nullable = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: null });
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\ufdd0-\ufdef\ufffe\uffff]|\{\{[^{}]+\}\}|\{\{[ \t]*[A-Za-z_]/;
/** Text without control characters, with everything that means something to YAML. */
const text = (min = 1, max = 30) =>
  fc
    .oneof(
      fc.string({ minLength: min, maxLength: max, unit: 'grapheme' }),
      fc.constantFrom(
        'yes',
        'null',
        '~',
        '0x1F',
        '1e3',
        '007',
        '- a',
        'a: b',
        '{}',
        '[x]',
        '*a',
        '&a',
        '!t',
        '# c',
        "it's",
        '"q"',
        '%d',
        '@x',
        '`x`',
        '|',
        '>',
        '? x',
        '---',
        '...',
        ' lead',
        'trail ',
        '<<',
        'a\u00a0b',
        '{{',
        '}}',
        'é😀',
      ),
    )
    .filter((one) => [...one].length >= min && [...one].length <= max && !FORBIDDEN.test(one));
/** A name that people read, in the form in which it is kept. */
const label = text()
  .map(normalName)
  .filter((one) => nameProblem(one) === undefined);
const key = text(1, 20).filter((one) => {
  const read = readText(one, NICE_ID_RULE);
  return 'value' in read && read.value === one;
});
const word = fc.stringMatching(/^[a-z][a-z0-9]{0,9}$/);
const host = fc.oneof(
  word,
  fc.tuple(word, word).map(([a, b]) => `${a}.${b}`),
  fc.ipV4(),
);
const port = fc.integer({ min: 1, max: 65535 });
const seconds = fc.integer({ min: 1, max: 86_400 });
const headers: fc.Arbitrary<Header[] | null> = nullable(
  fc.array(
    fc.record({
      name: fc.stringMatching(/^[A-Za-z][A-Za-z-]{0,12}$/),
      value: fc.stringMatching(/^[ -~]{0,20}$/).filter((one) => !FORBIDDEN.test(one)),
    }),
    { minLength: 1, maxLength: 3 },
  ),
);
const roles = fc.uniqueArray(
  label.filter((one) => nameKey(one) !== 'admin'),
  { maxLength: 3, selector: nameKey },
);
const emails = fc.uniqueArray(
  fc.tuple(word, word).map(([a, b]) => `${a}@${b}.org`),
  { maxLength: 3 },
);

/** Paths that RE2 compiles. */
const pattern = fc.constantFrom('/', '^/api/(v1|v2)/.*$', '(?i)/x', '/[a-z]{2,5}', '\\.php$');

const healthcheck: fc.Arbitrary<HealthCheck> = fc.record({
  hostname: host,
  port,
  enabled: fc.boolean(),
  path: nullable(text()),
  scheme: nullable(fc.constantFrom('http', 'https')),
  mode: fc.constantFrom('http', 'tcp'),
  interval: seconds,
  unhealthyInterval: seconds,
  timeout: seconds,
  headers,
  followRedirects: fc.boolean(),
  method: nullable(fc.constantFrom('GET', 'HEAD')),
  status: nullable(fc.integer({ min: 100, max: 599 })),
  healthyThreshold: fc.integer({ min: 1, max: 9 }),
  unhealthyThreshold: fc.integer({ min: 1, max: 9 }),
});

const target = (method: fc.Arbitrary<Target['method']>): fc.Arbitrary<Target> =>
  fc
    .record({
      site: nullable(text()),
      hostname: host,
      port,
      method,
      insecureTls: fc.boolean(),
      enabled: fc.boolean(),
      internalPort: nullable(port),
      path: nullable(text()),
      pathMatch: nullable(fc.constantFrom('exact', 'prefix', 'regex')),
      rewritePath: nullable(text()),
      rewriteMatch: nullable(fc.constantFrom('exact', 'prefix', 'regex', 'stripPrefix')),
      priority: fc.integer({ min: 1, max: 1000 }),
      healthcheck: nullable(healthcheck),
    })
    .chain((one) =>
      one.path !== null && (one.pathMatch === 'regex' || one.rewriteMatch === 'regex')
        ? pattern.map((path) => ({ ...one, path }))
        : fc.constant(one),
    )
    .map((one) =>
      one.rewriteMatch === 'stripPrefix' && one.rewritePath === null ? { ...one, rewritePath: '/' } : one,
    );

const targetList = (method: fc.Arbitrary<Target['method']>, maxLength: number) =>
  fc.uniqueArray(target(method), {
    maxLength,
    selector: (t) => JSON.stringify([t.site, t.hostname.toLowerCase(), t.port, t.path]),
  });

const rule: fc.Arbitrary<Omit<Rule, 'priority'>> = fc
  .tuple(
    fc.constantFrom('ACCEPT', 'DROP', 'PASS'),
    fc.constantFrom<[Rule['match'], string]>(
      ['CIDR', '10.0.0.0/8'],
      ['CIDR', '2001:db8::/32'],
      ['IP', '::1'],
      ['PATH', '/a/*'],
      ['COUNTRY', 'DE'],
      ['ASN', 'AS64500'],
      ['REGION', '002'],
    ),
    fc.boolean(),
  )
  .map(([action, [match, value], enabled]) => ({ action, match, value, enabled }));

const publicEntry = (name: string, n: number): fc.Arbitrary<PublicEntry> => {
  const common = {
    key: fc.constant(name),
    targetsOnly: fc.constant(false as const),
    name: label,
    enabled: fc.boolean(),
    ssl: fc.boolean(),
    scheme: nullable(fc.constantFrom('http', 'https')),
  };
  return fc.oneof(
    fc.record({
      key: fc.constant(name),
      targetsOnly: fc.constant(true as const),
      targets: targetList(nullable(fc.constant('http')), 2),
    }),
    fc.record({
      ...common,
      mode: fc.constant('http'),
      fullDomain: fc.constantFrom(`h${n}.example.com`, `*.h${n}.example.com`),
      proxyPort: fc.constant(null),
      proxyProtocol: fc.constant(false),
      proxyProtocolVersion: fc.constant(1),
      hostHeader: nullable(host),
      tlsServerName: nullable(word),
      responseTimeoutSeconds: fc.integer({ min: 1, max: 3600 }),
      staleSeconds: nullable(fc.integer({ min: 0, max: 86_400 })),
      headers,
      targets: targetList(fc.constantFrom('http', 'https', 'h2c'), 3),
      auth: nullable(
        fc.record({
          pincode: nullable(fc.stringMatching(/^\d{6}$/)),
          password: nullable(text(4)),
          basicAuth: nullable(
            fc.record({
              user: text().filter((one) => !one.includes(':')),
              password: text(4),
              extendedCompatibility: fc.boolean(),
            }),
          ),
          ssoEnabled: fc.boolean(),
          ssoRoles: roles,
          ssoUsers: emails,
          whitelistUsers: fc.oneof(emails, fc.constant<string[]>(['*@example.com'])),
          whitelistEnabled: fc.boolean(),
        }),
      ),
      rules: fc
        .array(rule, { maxLength: 3 })
        .chain((rules) =>
          fc
            .uniqueArray(fc.integer({ min: -5, max: 500 }), { minLength: rules.length, maxLength: rules.length })
            .map((priorities) => rules.map((one, i) => ({ ...one, priority: priorities[i] ?? 0 }))),
        ),
      applyRules: fc.boolean(),
      sitesMayAddTargets: fc.constant(null),
      maintenance: nullable(
        fc.record({
          enabled: fc.boolean(),
          type: fc.constantFrom('forced', 'automatic'),
          title: nullable(label),
          message: nullable(fc.oneof(text(), fc.constantFrom('two\nlines', ' a \n\n  b\n'))),
          estimatedTime: nullable(text()),
        }),
      ),
    }),
    fc.constantFrom('tcp' as const, 'udp' as const).chain((mode) =>
      fc.record({
        ...common,
        ssl: fc.constant(false),
        mode: fc.constant(mode),
        fullDomain: fc.constant(null),
        proxyPort: fc.constant(1000 + n),
        proxyProtocol: mode === 'tcp' ? fc.boolean() : fc.constant(false),
        proxyProtocolVersion: mode === 'tcp' ? fc.constantFrom(1, 2) : fc.constant(1),
        hostHeader: fc.constant(null),
        tlsServerName: fc.constant(null),
        responseTimeoutSeconds: fc.constant(60),
        staleSeconds: fc.constant(null),
        headers: fc.constant(null),
        targets: targetList(fc.constant(null), 3),
        auth: fc.constant(null),
        rules: fc.constant<Rule[]>([]),
        applyRules: fc.constant(false),
        maintenance: fc.constant(null),
        sitesMayAddTargets: fc.constant(null),
      }),
    ),
  );
};

const privateEntry = (name: string, n: number): fc.Arbitrary<PrivateEntry> => {
  const common = {
    key: fc.constant(name),
    name: label,
    enabled: fc.boolean(),
    sites: fc.uniqueArray(text(), { maxLength: 2 }),
    ssl: fc.boolean(),
    disableIcmp: fc.boolean(),
    roles,
    users: emails,
    machines: fc.uniqueArray(text(), { maxLength: 2 }),
  };
  const ports = { tcpPorts: fc.constantFrom('*', '', '22', '22,8000-8010'), udpPorts: fc.constantFrom('*', '', '53') };
  const scheme = nullable(fc.constantFrom('http' as const, 'https' as const));
  const rest = { destinationPort: nullable(port), fullDomain: fc.constant(null), scheme };
  return fc.oneof(
    fc.record({
      ...common,
      ...ports,
      ...rest,
      mode: fc.constant('host'),
      destination: fc.oneof(fc.ipV4(), fc.ipV6()),
      alias: fc.constantFrom(null, `*.p${n}.lan`, `p?${n}.lan`),
    }),
    fc.record({
      ...common,
      ...ports,
      ...rest,
      mode: fc.constant('host'),
      destination: host,
      alias: fc.constant(`p${n}.lan`),
    }),
    fc.record({
      ...common,
      ...ports,
      ...rest,
      mode: fc.constant('host'),
      destination: fc.constant('localhost'),
      alias: fc.constant(null),
    }),
    fc.record({
      ...common,
      ...ports,
      ...rest,
      mode: fc.constant('cidr'),
      destination: fc.constantFrom('10.0.0.0/8', '2001:db8::/48'),
      alias: fc.constant(null),
    }),
    fc.record({
      ...common,
      mode: fc.constant('http'),
      destination: text(),
      destinationPort: port,
      fullDomain: fc.constant(`p${n}.example.com`),
      scheme: fc.constantFrom('http', 'https'),
      tcpPorts: fc.constant('443,80'),
      udpPorts: fc.constant(''),
      alias: fc.constant(null),
    }),
  );
};

const entries = <T>(one: (name: string, n: number) => fc.Arbitrary<T>) =>
  fc.uniqueArray(key, { maxLength: 4 }).chain((keys) => fc.tuple(...keys.map(one)));

export const anyBlueprint: fc.Arbitrary<Blueprint> = fc.record({
  sites: entries((name) => fc.record({ key: fc.constant(name), name: label, dockerSocketEnabled: fc.boolean() })),
  publicResources: entries(publicEntry),
  privateResources: entries(privateEntry),
});
