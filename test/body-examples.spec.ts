import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from '#blueprint';
import { parseBootstrap } from '#bootstrap';
import { type AppError, BODY_EXAMPLES, validationPipe } from '#platform';
import { validatedInputs } from './support/dto-fields.js';

interface Body {
  content: Record<string, { schema: { $ref?: string }; example?: unknown }>;
}

const openapi = JSON.parse(readFileSync(new URL('../docs/openapi.json', import.meta.url), 'utf8')) as {
  paths: Record<string, Record<string, { operationId: string; requestBody?: Body }>>;
};
const bodies = Object.values(openapi.paths)
  .flatMap((item) => Object.values(item))
  // A signing request has no class: test/e2e/est.e2e-spec.ts makes one.
  .flatMap(({ operationId, requestBody }) =>
    requestBody && !requestBody.content['application/pkcs10'] ? [[operationId, requestBody] as const] : [],
  );

describe('the example of a body', () => {
  it.each(bodies)('of %s is there, and the server accepts it', async (_operation, { content }) => {
    // It loads the controllers, and with them the classes of their bodies.
    await validatedInputs();
    const { schema, example } = content['application/json']!;
    expect(example).toBeDefined();
    const { type } = BODY_EXAMPLES.get(schema.$ref!.split('/').at(-1)!)!;
    const refusal = await validationPipe()
      .transform(structuredClone(example), { type: 'body', metatype: type })
      .then(
        () => undefined,
        (error: AppError) => error.message,
      );
    expect(refusal).toBeUndefined();
    // A document as it is written has a reader of its own.
    const yaml = content['application/yaml'];
    if (yaml === undefined) return;
    const { blueprint, document } = example as { blueprint?: string; document?: string };
    expect(blueprint ?? document).toBe(yaml.example);
    expect((blueprint === undefined ? parseBootstrap : parse)(String(yaml.example)).problems).toEqual([]);
  });
});
