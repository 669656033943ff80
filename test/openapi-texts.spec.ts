import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const document = JSON.parse(readFileSync(new URL('../docs/openapi.json', import.meta.url), 'utf8')) as {
  paths: Record<string, Record<string, { operationId: string; summary?: string; description?: string }>>;
  components: { securitySchemes: Record<string, object> };
};

/** Every text of the document with its place; examples are data. */
function texts(node: unknown, place: string[] = []): [place: string, text: string][] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]): [string, string][] => {
    if (key === 'example' || key === 'properties' || key === 'enum') {
      return key === 'properties' ? texts(value, [...place, key]) : [];
    }
    const isText = (key === 'description' || key === 'summary') && typeof value === 'string';
    return isText ? [[[...place, key].join(' '), value]] : texts(value, [...place, key]);
  });
}

describe('the texts of the OpenAPI document', () => {
  const all = texts(document).filter(([place]) => place !== 'info description');

  it('are one text each: no two are pasted together', () => {
    expect(all.length).toBeGreaterThan(1_000);
    expect(all.filter(([, text]) => /\n\s*\n/.test(text) || text.trim() !== text || text === '')).toEqual([]);
  });

  it('send nobody to pages that are not at hand', () => {
    expect(all.filter(([, text]) => /docs\/|§|\bADR\b/.test(text))).toEqual([]);
  });

  it('say what each operation does, beginning with what to do, without a full stop', () => {
    const summaries = Object.values(document.paths).flatMap((item) =>
      Object.values(item).map(({ operationId, summary = '', description }) => [
        operationId,
        summary,
        description ?? '',
      ]),
    );
    const wrong = summaries.filter(
      ([, summary, description]) =>
        description !== '' ||
        !/^[A-Z][^\n]{5,}[^.]$/.test(summary!) ||
        /^(The|A|An|It|\w+s) /.test(summary!.split(/[:;]/)[0]!),
    );
    expect(wrong).toEqual([]);
  });

  it('offer API keys first', () => {
    expect(Object.keys(document.components.securitySchemes)[0]).toBe('apiKey');
  });
});
