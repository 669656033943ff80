import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EMPTY_BOOTSTRAP, parseBootstrap, usesOf, variableProblem, warningsOf } from '#bootstrap';

const text = readFileSync(new URL('../docs/instances.md', import.meta.url), 'utf8');
const section = text.slice(text.indexOf('## 1 The document'), text.indexOf('## 2 '));

describe('docs/instances.md §1', () => {
  it('shows a document without a problem', () => {
    const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(section) ?? [];
    const { bootstrap, problems } = parseBootstrap(yaml);
    expect(problems).toEqual([]);
    expect(warningsOf(bootstrap!)).toEqual([]);
    expect(usesOf(bootstrap!)).toEqual({
      secrets: ['DB_PASSWORD', 'API_TOKEN'],
      site: ['niceId'],
      labels: ['region'],
    });
  });

  it('says the defaults that there are', () => {
    const said = new Map(
      [...section.matchAll(/^ {2}(\w+): .*# (?:.* )?\[(\w+)\]/gm)].map(([, key, value]) => [key!, value!]),
    );
    const { onChange, onRevoke, onExpire, stopGraceSeconds, offlineGraceSeconds, ready } = EMPTY_BOOTSTRAP.run;
    const run = { onChange, onRevoke, onExpire, stopGraceSeconds, offlineGraceSeconds };
    for (const [key, value] of Object.entries({ ...run, readyTimeoutSeconds: ready.timeoutSeconds }))
      expect([key, said.get(key)]).toEqual([key, String(value)]);
    expect(ready).toMatchObject({ afterSeconds: 5 });
    expect(section).toContain('[{ afterSeconds: 5 }]');
  });

  it('names variables that are reserved', () => {
    const [, list = ''] = /tools run code:([\s\S]*?)and their like/.exec(section) ?? [];
    const names = [...list.matchAll(/`([A-Z_0-9]+)\*?`/g)].map(([, name]) => name!);
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => !variableProblem(name)?.includes('is reserved'))).toEqual([]);
  });
});
