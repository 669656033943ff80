import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { environmentTemplates, fromDockerLabels, parse } from '#blueprint';

const text = readFileSync(new URL('../docs/blueprints.md', import.meta.url), 'utf8');

it('the blueprint in docs/blueprints.md is one', () => {
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(text) ?? [];
  const parsed = parse(yaml, { templates: environmentTemplates({ SERIAL_NUMBER: 'sn1' }) });
  expect(parsed.problems).toEqual([]);
  expect(parsed.model?.publicResources).toHaveLength(1);
});

it('the labels in docs/blueprints.md are one', () => {
  const labels = Object.fromEntries(
    [...text.matchAll(/^(pangolin\.\S+?)=(.*)$/gm)].map(([, key, value]) => [key!, value!]),
  );
  expect(fromDockerLabels([{ name: 'web', labels, ports: [80] }]).parsed).toMatchObject({
    ok: true,
    model: { publicResources: [{ key: 'web', targets: [{ hostname: 'web', port: 80 }] }] },
  });
});
