import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const SOURCES = fileURLToPath(new URL('.', import.meta.url));
const STYLES = fileURLToPath(new URL('../../../node_modules/@mantine/core/styles', import.meta.url));
const IMPORT = /import \{([^}]*)\} from '@mantine\/core'/g;

const sources = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx?$/.test(name));
const named = (text: string): string[] =>
  [...text.matchAll(IMPORT)].flatMap(([, names]) => names!.split(',').map((name) => name.trim().split(' ')[0]!));

it('has the styles of each component that the pages use', () => {
  const listed = readFileSync(join(SOURCES, 'styles.ts'), 'utf8');
  const used = new Set(sources.flatMap((name) => named(readFileSync(join(SOURCES, name), 'utf8'))));
  expect(used.size).toBeGreaterThan(30);
  const styled = [...used].filter((name) => existsSync(join(STYLES, `${name}.layer.css`)));
  expect(styled.filter((name) => !listed.includes(`'@mantine/core/styles/${name}.layer.css'`))).toEqual([]);
});
