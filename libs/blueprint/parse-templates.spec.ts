import { describe, expect, it } from 'vitest';
import { model, privately, problems, publicly, resource } from '../../test/support/parsed-blueprint.js';
import { environmentTemplates, OPEN_SITE_TEMPLATES, type ParseOptions, siteTemplates, toDocument } from './index.js';

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

  it.each([
    '["{{","}}"]',
    '["{{", "}}"]',
    '["{{",1,"}}"]',
    '{"{{":"}}"}',
    '{a: ["{{"],"b":"}}"}',
    '{a: {b: "{{"},"c":"}}"}',
  ])('%s holds braces that are text', (written) => {
    expect(problems(publicly(`name: ${written}\nmode: tcp\nproxy-port: 1`)).join()).not.toContain('not understood');
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
      /^1:19 sites.a.name: without quotes \{\{ begins a map in YAML; a template stands in quotes: "\{\{env.NAME\}\}"/,
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
