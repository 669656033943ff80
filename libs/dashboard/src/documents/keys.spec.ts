import { describe, expect, it } from 'vitest';
import { parse } from '../../../blueprint/index.js';
import { parseBootstrap } from '../../../bootstrap/index.js';
import { KEYS, keysAt } from './keys';

/** A document with one key at a place, with a value that no key takes. */
function documentWith(place: string, key: string): string {
  const lists = new Set(['targets', 'rules', 'headers', 'files', 'dependencies']);
  let inner: unknown = { [key]: [[[]]] };
  for (const step of place === '' ? [] : place.split('.').reverse()) {
    if (lists.has(step)) inner = [inner];
    inner = { [step === '*' ? 'some-name' : step]: inner };
  }
  return JSON.stringify(inner);
}

/** Whether the server's own reader calls the key unknown. */
function isUnknown(kind: 'blueprint' | 'bootstrap', text: string): boolean {
  const { problems } = kind === 'bootstrap' ? parseBootstrap(text) : parse(text, { site: 'open', operators: true });
  return problems.some(({ message }) => message.startsWith('is not known here'));
}

describe('suggested keys', () => {
  const all = (['blueprint', 'bootstrap'] as const).flatMap((kind) =>
    Object.entries(KEYS[kind]).flatMap(([place, keys]) => keys.map((key) => ({ kind, place, key }))),
  );

  it.each(all)('$kind knows $key below "$place"', ({ kind, place, key }) => {
    expect(isUnknown(kind, documentWith(place, key))).toBe(false);
    expect(isUnknown(kind, documentWith(place, `${key}x`))).toBe(true);
  });

  it('are those of the place where the cursor is', () => {
    const above = ['public-resources:', '  app:', '    name: App', '    targets:', '      - site: press-14'];
    expect(keysAt('blueprint', [], '')).toContain('sites');
    expect(keysAt('blueprint', above.slice(0, 3), '    ')).toContain('full-domain');
    expect(keysAt('blueprint', above, '        ')).toContain('path-match');
    expect(keysAt('blueprint', above.slice(0, 4), '      - ')).toContain('hostname');
    expect(keysAt('blueprint', ['public-resources:', '  app:', '    name: App'], '      ')).toEqual([]);
    expect(keysAt('bootstrap', ['run:', '  ready:'], '    ')).toEqual(['afterSeconds', 'http', 'file']);
  });
});
