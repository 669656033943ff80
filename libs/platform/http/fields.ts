import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Max, Min, ValidateBy } from 'class-validator';
import { type IntRule, readText, type TextRule } from '#contracts';
import { MayBeAbsent, RuleWithin, sizeProblem } from './validators.js';

/** Whether a field must be there, may be left out, or may be left out and null. */
type Presence = 'required' | 'optional' | 'nullable';

const present = (presence: Presence) =>
  presence === 'required' ? [] : [presence === 'nullable' ? IsOptional() : MayBeAbsent()];
const schemaOf = (presence: Presence) => ({
  required: presence === 'required',
  ...(presence === 'nullable' ? { nullable: true } : {}),
});

/** Text by a rule that the API shares with documents; what it takes is in its normal form after the pipe. */
export function TextField(rule: TextRule, presence: Presence = 'required'): PropertyDecorator {
  const { min = rule.name ? 1 : 0, max } = rule;
  return applyDecorators(
    Transform(({ value }: { value: unknown }) => normalOf(value, rule), { toClassOnly: true }),
    ...present(presence),
    ValidateBy({
      name: 'isText',
      validator: {
        validate: (value) => problemOf(value, rule) === undefined,
        defaultMessage: (args) => `$property ${problemOf(args?.value, rule)}`,
      },
    }),
    ApiProperty({
      type: 'string',
      ...schemaOf(presence),
      ...(min > 0 && rule.empty === undefined ? { minLength: min } : {}),
      ...(max === undefined ? {} : { maxLength: max }),
    }),
  );
}

/** At most `max` texts by such a rule; the answer names the entry that is wrong. */
export const TextListField = (rule: TextRule, max: number): PropertyDecorator =>
  applyDecorators(
    Transform(
      ({ value }: { value: unknown }) => (Array.isArray(value) ? value.map((one) => normalOf(one, rule)) : value),
      { toClassOnly: true },
    ),
    RuleWithin('isTextList', (value) => {
      const size = sizeProblem(value, max);
      return size.length > 0
        ? size
        : (value as unknown[]).flatMap((one, i) => {
            const problem = problemOf(one, rule);
            return problem === undefined ? [] : [{ place: String(i), problem }];
          });
    }),
    ApiProperty({ type: 'array', maxItems: max, items: { type: 'string' } }),
  );

function normalOf(value: unknown, rule: TextRule): unknown {
  const read = typeof value === 'string' ? readText(value, rule) : undefined;
  return read && 'value' in read ? read.value : value;
}

function problemOf(value: unknown, rule: TextRule): string | undefined {
  if (typeof value !== 'string') return 'must be a string';
  const read = readText(value, rule);
  return 'problem' in read ? read.problem : undefined;
}

/** A whole number by a rule that the API shares with documents. */
export const IntField = ({ min, max }: IntRule, presence: Presence = 'required'): PropertyDecorator =>
  applyDecorators(
    ...present(presence),
    Max(max),
    Min(min),
    IsInt(),
    ApiProperty({ type: 'integer', ...schemaOf(presence), minimum: min, maximum: max }),
  );

/** One of these words, as documents have them too. */
export const ChoiceField = (values: readonly string[], presence: Presence = 'required'): PropertyDecorator =>
  applyDecorators(
    ...present(presence),
    IsIn(values),
    ApiProperty({
      ...schemaOf(presence),
      ...(presence === 'nullable' ? { type: 'string', enum: [...values, null] } : { enum: [...values] }),
    }),
  );
