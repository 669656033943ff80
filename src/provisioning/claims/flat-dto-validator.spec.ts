import { IsArray, IsOptional, IsString, ValidateNested } from 'class-validator';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validationPipe } from '#platform';
import { ProvisionBody, RegisterNewtBody } from './claim-endpoints.dto.js';
import { flatDtoValidator } from './flat-dto-validator.js';

const pipe = validationPipe(false);
const general = (type: typeof ProvisionBody | typeof RegisterNewtBody, body: object): Promise<unknown> =>
  pipe.transform(structuredClone(body), { type: 'body', metatype: type }).then(
    (made: object) => ({ ...made }),
    () => undefined,
  );

const nonce = 'A'.repeat(43);
const value = fc.oneof(
  fc.constantFrom(
    '',
    'x',
    ' ',
    'sensor',
    nonce,
    `${nonce}=`,
    'a'.repeat(128),
    'a'.repeat(129),
    'a'.repeat(256),
    'a'.repeat(513),
    'tab\there',
    'ümlaut',
    null,
    undefined,
    0,
    true,
  ),
  fc.constant([]),
  fc.constant({ a: 1 }),
  fc.string({ maxLength: 12 }),
);

describe('flatDtoValidator', () => {
  it('accepts exactly what class-validator accepts, and makes the same of it', async () => {
    const fields = [
      'provision_key',
      'device_name',
      'hardware_id',
      'claim_nonce',
      'csr',
      'provisioningKey',
      'name',
      'hardwareId',
      'claimNonce',
      'unknown',
    ];
    const good = { provision_key: 'k', hardware_id: 'h', provisioningKey: 'k' };
    const body = fc
      .dictionary(fc.constantFrom(...fields), value, { maxKeys: 4 })
      .map((changes) => ({ ...good, ...changes }));
    for (const type of [ProvisionBody, RegisterNewtBody]) {
      const accept = flatDtoValidator<object>(type);
      await fc.assert(
        fc.asyncProperty(body, async (given) => {
          const made = accept(given);
          if (made) expect(made).toBeInstanceOf(type);
          const defined = (object: object | undefined) =>
            object && Object.fromEntries(Object.entries(object).filter(([, v]) => v !== undefined));
          expect(defined(made)).toEqual(defined((await general(type, given)) as object | undefined));
        }),
        { numRuns: 400 },
      );
    }
  });

  it('does not take a class whose rules are more than flat', () => {
    class Nested {
      @IsOptional() @ValidateNested() inner?: object;
    }
    class List {
      @IsArray() @IsString({ each: true }) words: string[];
    }
    expect(() => flatDtoValidator(Nested)).toThrow('Nested.inner');
    expect(() => flatDtoValidator(List)).toThrow('List.words');
  });
});
