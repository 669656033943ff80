import { describe, expect, it, vi } from 'vitest';
import { containersAt, fromDockerLabels, fromGoodLabels, type LabelledContainer } from './docker-labels.js';
import { describeProblem, toDocument } from './index.js';

function container(name: string, labels: Record<string, string>, ports: number[] = [80]): LabelledContainer {
  return {
    name,
    labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [`pangolin.${key}`, value])),
    ports,
  };
}
function document(...containers: LabelledContainer[]): unknown {
  const { parsed } = fromDockerLabels(containers);
  if (!parsed.ok) throw new Error(parsed.problems.map(describeProblem).join('\n'));
  return JSON.parse(JSON.stringify(toDocument(parsed.model)));
}
const problems = (...containers: LabelledContainer[]) =>
  fromDockerLabels(containers).parsed.problems.map(describeProblem);
const WEB = {
  'public-resources.web.name': 'Web',
  'public-resources.web.protocol': 'http',
  'public-resources.web.full-domain': 'web.example.com',
};

describe('labels', () => {
  it('are a document; a target without host and port is its container', () => {
    const labels = {
      ...WEB,
      'public-resources.web.targets[0].method': 'http',
      'public-resources.web.auth.sso-enabled': 'true',
      'public-resources.web.auth.sso-roles[0]': 'Member',
    };
    expect(document(container('nginx', labels, [8080, 8443]))).toEqual({
      'public-resources': {
        web: {
          name: 'Web',
          mode: 'http',
          'full-domain': 'web.example.com',
          auth: { 'sso-enabled': true, 'sso-roles': ['Member'] },
          targets: [{ hostname: 'nginx', port: 8080, method: 'http' }],
        },
      },
    });
  });

  it('have no type: digits stay text where the schema wants text', () => {
    const labels = {
      ...WEB,
      'public-resources.web.name': '007',
      'public-resources.web.ssl': 'false',
      'public-resources.web.auth.password': '1.10',
      'public-resources.web.auth.pincode': '012345',
      'public-resources.web.auth.basic-auth.user': 'true',
      'public-resources.web.auth.basic-auth.password': '4242',
    };
    expect(document(container('a', labels))).toMatchObject({
      'public-resources': {
        web: {
          name: '007',
          ssl: false,
          auth: { password: '1.10', pincode: '012345', 'basic-auth': { user: 'true', password: '4242' } },
        },
      },
    });
  });

  it('of several containers are put together by key and by index, the last one wins', () => {
    const target = (i: number) => ({ [`public-resources.web.targets[${i}].method`]: 'http' });
    expect(
      document(
        container('b', { ...WEB, 'public-resources.web.name': 'Of b', ...target(2) }),
        container('a', { ...WEB, ...target(0) }, [81]),
      ),
    ).toMatchObject({
      'public-resources': {
        web: {
          name: 'Of b',
          targets: [
            { hostname: 'a', port: 81 },
            { hostname: 'b', port: 80 },
          ],
        },
      },
    });
  });

  it('number the items of a list: an order, not places', () => {
    const rule = (list: string, i: number, value: string, match = 'ip') => ({
      [`${list}.rules[${i}].match`]: match,
      [`${list}.rules[${i}].action`]: 'deny',
      [`${list}.rules[${i}].value`]: value,
    });
    const web = 'public-resources.web';
    const labels = { ...WEB, ...rule(web, 3, '10.0.0.3'), ...rule(web, 0, '10.0.0.1'), ...rule(web, 200, '10.0.0.4') };
    const more = { ...rule('proxy-resources.web', 2, '10.0.0.2'), [`${web}.auth.sso-roles[7]`]: 'Member' };
    expect(document(container('a', labels), container('b', more))).toMatchObject({
      'public-resources': {
        web: {
          auth: { 'sso-roles': ['Member'] },
          rules: ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].map((value, i) => ({ value, priority: i + 1 })),
        },
      },
    });
    const wrong = container('c', { 'public-resources.web.rules[9].match': 'colour' });
    expect(problems(container('a', labels), wrong)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /^container "c", label "pangolin.public-resources.web.rules\[9\].match": public-resources.web.rules\[2\].match: /,
        ),
      ]),
    );
    const both = [container('a', labels), container('b', more)];
    expect(
      containersAt(both, [`${web}.rules[1].value`, `${web}.rules[2]`, `${web}.name`, 'public-resources.x', '']),
    ).toEqual([['b'], ['a'], ['a'], ['a', 'b'], []]);
  });

  it('in the older spelling, and for private resources, mean the same', () => {
    const labels = {
      'client-resources.db.name': 'DB',
      'client-resources.db.mode': 'host',
      'client-resources.db.destination': '10.0.0.1',
      'client-resources.db.tcp-ports': '5432',
      'proxy-resources.web.targets[0].port': '90',
    };
    expect(document(container('a', labels))).toEqual({
      'public-resources': { web: { targets: [{ hostname: 'a', port: 90 }] } },
      'private-resources': { db: { name: 'DB', mode: 'host', destination: '10.0.0.1', 'tcp-ports': '5432' } },
    });
  });

  it('in both spellings are one resource, field by field; the newer spelling wins', () => {
    const old = {
      'proxy-resources.web.name': 'Old',
      'proxy-resources.web.ssl': 'false',
      'proxy-resources.web.targets[1].method': 'https',
      'proxy-resources.web.targets[0].path': '/a',
    };
    expect(
      document(container('a', { ...WEB, 'public-resources.web.targets[0].method': 'http' }), container('b', old, [81])),
    ).toMatchObject({
      'public-resources': {
        web: {
          name: 'Web',
          ssl: false,
          targets: [
            { hostname: 'a', port: 80, method: 'http', path: '/a' },
            { hostname: 'b', port: 81, method: 'https' },
          ],
        },
      },
    });
    expect(problems(container('b', { 'proxy-resources.web.nme': 'x', ...WEB }))).toEqual([
      'container "b", label "pangolin.proxy-resources.web.nme": public-resources.web.nme: is not known here; did you mean "name"?',
    ]);
  });

  it('of others are left alone', () => {
    expect(
      fromDockerLabels([{ name: 'a', labels: { 'com.docker.compose.project': 'x', pangolin: 'x' }, ports: [] }]).parsed,
    ).toMatchObject({ ok: true, model: { publicResources: [] } });
  });

  it.each([
    [
      { 'public-resorces.web.name': 'x' },
      'container "a", label "pangolin.public-resorces.web.name": "public-resorces" is not known here; did you mean "public-resources"?',
    ],
    [
      { 'public-resources.web': 'x' },
      'container "a", label "pangolin.public-resources.web": expected pangolin.public-resources.<name>.<field>',
    ],
    [{ ...WEB, 'public-resources.web.targets[999999999].port': '1' }, /at most name\[255\]/],
    [{ ...WEB, 'public-resources.web.targets[x].port': '1' }, /"targets\[x\]" is not understood/],
    [{ ...WEB, 'public-resources.web.name.x': '1' }, /another label says that this is something else/],
    [
      { ...WEB, 'public-resources.web.nme': 'x' },
      'container "a", label "pangolin.public-resources.web.nme": public-resources.web.nme: is not known here; did you mean "name"?',
    ],
    [{ ...WEB, 'public-resources.web.targets[0].port': 'eighty' }, /targets\[0\].port: must be a whole number/],
    [{ ...WEB, 'public-resources.web.targets[1].__proto__': 'x' }, /__proto__: is not known here/],
    [{ 'public-policies.a.b': 'x' }, /public-policies: is not available yet/],
  ])('%j are a problem', (labels, expected) => {
    expect(problems(container('a', labels as Record<string, string>)).join('\n')).toEqual(
      typeof expected === 'string' ? expected : expect.stringMatching(expected),
    );
  });
});

describe('one bad container', () => {
  const other = (key: string, more: object = {}) =>
    container(key, {
      [`public-resources.${key}.name`]: key,
      [`public-resources.${key}.mode`]: 'http',
      [`public-resources.${key}.full-domain`]: `${key}.example.com`,
      ...more,
    });
  const keys = (parsed: ReturnType<typeof fromGoodLabels>['parsed']) =>
    parsed.model?.publicResources.map((one) => one.key);

  it('does not stop the others, and is named with its label', () => {
    const { parsed, problems: told } = fromGoodLabels(
      [other('good'), other('bad', { 'public-resources.bad.nme': 'x' })],
      new Map(),
    );
    expect(keys(parsed)).toEqual(['good']);
    expect(told.map(describeProblem)).toEqual([
      'container "bad", label "pangolin.public-resources.bad.nme": public-resources.bad.nme: is not known here; did you mean "name"?',
    ]);
    const half = fromGoodLabels(
      [other('good'), container('half', { 'public-resources.half.mode': 'http', 'public-resources.half.ssl': 'true' })],
      new Map(),
    );
    expect(keys(half.parsed)).toEqual(['good']);
    expect(half.problems.map(describeProblem)).toEqual(
      expect.arrayContaining(['container "half": public-resources.half.name: is required']),
    );
    const odd = fromGoodLabels([other('good'), other('odd', { 'public-resorces.x.name': 'x' })], new Map());
    expect([keys(odd.parsed), odd.problems.length]).toEqual([['good'], 1]);
  });

  it('is what it was when it was last right', () => {
    const before = new Map<string, LabelledContainer>();
    expect(keys(fromGoodLabels([other('a'), other('b')], before).parsed)).toEqual(['a', 'b']);
    const { parsed, problems: told } = fromGoodLabels(
      [other('a'), other('b', { 'public-resources.b.enabled': 'perhaps' })],
      before,
    );
    expect([keys(parsed), told.length]).toEqual([['a', 'b'], 1]);
  });

  it('alone is no empty document', () => {
    expect(fromGoodLabels([other('bad', { 'public-resources.bad.nme': 'x' })], new Map()).parsed.ok).toBe(false);
  });

  it('that claims what another one has is the one that is left out', () => {
    const { parsed } = fromGoodLabels(
      [other('a'), other('b', { 'public-resources.b.full-domain': 'a.example.com' })],
      new Map(),
    );
    expect(keys(parsed)).toEqual(['a']);
  });
});

it('finds the containers of many places without looking at every label for each', () => {
  const many = Array.from({ length: 300 }, (_, i) => ({
    name: `c${i}`,
    ports: [80],
    labels: {
      [`pangolin.public-resources.r${i}.name`]: 'R',
      [`pangolin.public-resources.r${i}.auth.password`]: 'secret',
    },
  }));
  const looks = vi.spyOn(String.prototype, 'startsWith');
  try {
    const found = containersAt(
      many,
      many.map((_, i) => `public-resources.r${i}.targets[0].site`),
    );
    expect(found).toEqual(many.map(({ name }) => [name]));
    expect(looks.mock.calls.length).toBeLessThan(10_000);
  } finally {
    looks.mockRestore();
  }
});
