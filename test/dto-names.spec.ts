import 'reflect-metadata';
import { getMetadataStorage } from 'class-validator';
import { describe, expect, it } from 'vitest';
import '../src/app.module.js';
import { validationPipe } from '#platform';

// Every body of the API: a name that people read is none when nobody could read it (docs/integration-api.md §1.7).

type Class = new () => object;
const NAME = /^(name|title|niceId)$|(Name|Title|NiceId)$/;
/** Looked up among what is there, or no name of a person's making. */
const OTHERWISE = new Set(['CreateSecretBody.name', 'tlsServerName', 'hcTlsServerName', 'username', 'siteNiceId']);

const storage = getMetadataStorage() as unknown as {
  validationMetadatas: Map<Class, { propertyName: string }[]>;
};
const fields = [...storage.validationMetadatas].flatMap(([type, rules]) =>
  [...new Set(rules.map((rule) => rule.propertyName))]
    .filter(
      (field) =>
        /Body|Settings$/.test(type.name) &&
        NAME.test(field) &&
        ![field, `${type.name}.${field}`].some((one) => OTHERWISE.has(one)),
    )
    .map((field) => [type.name, field, type] as const),
);

describe('names in bodies', () => {
  it('are found', () => expect(fields.length).toBeGreaterThan(20));

  it.each(fields)('%s.%s', async (_type, field, metatype) => {
    const wrongs = (value: unknown) =>
      validationPipe()
        .transform({ [field]: value }, { type: 'body', metatype })
        .then(
          () => [],
          (error: { details: { fields: { path: string }[] } }) => error.details.fields.map(({ path }) => path),
        );
    for (const value of [' ', '   ', '\u00a0', '\u2800', '\u200b', 'a\u200bb', '\u202eevil', 'a\nb', '\ufeffa'])
      expect([value, await wrongs(value)]).toEqual([value, expect.arrayContaining([field])]);
    expect(await wrongs('Zürich 1')).not.toContain(field);
  });
});
