import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyBlueprint } from '../../test/support/blueprints.js';
import { describeProblem, digestOf, maskSecrets, parse, toDocument, toYaml } from './index.js';
import type { Blueprint } from './model.js';

function again(text: string, format: 'yaml' | 'json'): Blueprint {
  const parsed = parse(text, { format, maxBytes: 1024 * 1024 });
  if (!parsed.ok) throw new Error(`${parsed.problems.map(describeProblem).join('\n')}\n${text}`);
  return parsed.model;
}
const byKey = <T extends { key: string }>(entries: T[]) => [...entries].sort((a, b) => (a.key < b.key ? -1 : 1));

describe('export', () => {
  it('as YAML, parsed again, is the same model', () => {
    fc.assert(
      fc.property(anyBlueprint, (model) => void expect(again(toYaml(model), 'yaml')).toEqual(model)),
      { numRuns: 150 },
    );
  });

  it('as JSON, parsed again, is the same model', () => {
    fc.assert(
      fc.property(anyBlueprint, (model) => {
        const parsed = again(JSON.stringify(toDocument(model)), 'json');
        expect(byKey(parsed.publicResources)).toEqual(byKey(model.publicResources));
        expect(byKey(parsed.privateResources)).toEqual(byKey(model.privateResources));
        expect(byKey(parsed.sites)).toEqual(byKey(model.sites));
        expect(digestOf(parsed)).toBe(digestOf(model));
      }),
      { numRuns: 300 },
    );
  });

  it('leaves out what is the default', () => {
    const text =
      'public-resources:\n  web:\n    name: Web\n    mode: http\n    full-domain: a.b\n    targets:\n      - hostname: a\n        port: 1\n        method: http\n';
    expect(toYaml(again(`${text}    ssl: true\n    enabled: true\n`, 'yaml'))).toBe(text);
  });

  it('keeps text text', () => {
    const text =
      'public-resources:\n  "1.5":\n    name: "1.10"\n    mode: http\n    full-domain: a.b\n    auth:\n      pincode: "012345"\n      password: "null"\n      sso-enabled: false\n';
    expect(toYaml(again(text, 'yaml'))).toBe(text);
  });

  it('of a resource named __proto__ is one', () => {
    const text = 'public-resources:\n  __proto__: {targets: [{hostname: a, port: 1}]}';
    const document = toDocument(again(text, 'yaml'));
    expect(JSON.stringify(document)).toBe('{"public-resources":{"__proto__":{"targets":[{"hostname":"a","port":1}]}}}');
  });
});

describe('a digest', () => {
  it('is the same in another order, and another for another model', () => {
    const a = 'a: {targets: [{hostname: a, port: 1}]}';
    const b = 'b: {targets: [{hostname: b, port: 1}]}';
    const of = (...entries: string[]) => digestOf(again(`public-resources:\n  ${entries.join('\n  ')}`, 'yaml'));
    expect(of(a, b)).toBe(of(b, a));
    expect(of(a)).not.toBe(of(b));
  });
});

describe('masking', () => {
  const text = `public-resources:
  web:
    name: Web
    mode: http
    full-domain: a.b
    headers: [{name: X-Api-Key, value: s3cret-a}, {name: X-Room, value: kitchen}]
    auth: {pincode: "482913", password: s3cret-b, basic-auth: {user: bob, password: s3cret-c}}
    targets: [{hostname: a, port: 1, method: http, healthcheck: {hostname: a, port: 1, headers: [{name: Authorization, value: s3cret-d}]}}]
`;

  it('leaves no secret and everything else', () => {
    const model = again(text, 'yaml');
    const masked = toYaml(maskSecrets(model));
    expect(masked).not.toMatch(/s3cret|482913/);
    expect(masked).toMatch(/bob/);
    expect(masked).toMatch(/kitchen/);
    expect(masked.match(/\*{8}/g)).toHaveLength(5);
    expect(toYaml(model)).toContain('s3cret-d');
  });

  it('changes nothing where there are none', () => {
    const model = again(
      'public-resources:\n  web: {name: Web, mode: http, full-domain: a.b, auth: {sso-enabled: true}}',
      'yaml',
    );
    expect(maskSecrets(model)).toEqual(model);
  });
});
