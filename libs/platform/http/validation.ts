import { type ArgumentMetadata, Injectable, ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { type FieldProblem, invalidFields } from '../errors.js';
import { rememberRules } from './remembered-rules.js';
import { knownFields, unknownField } from './unknown-fields.js';
import { withinOf } from './validators.js';

rememberRules();

/** What a value is comes before how long, how large or of which letters it is. */
const KIND =
  /^(whitelistValidation|is(String|Int|Number|Boolean|Array|Object|In|Enum|IdList|Labels)|nestedValidation)$/;

/** With so many unknown keys a request is refused for them alone: what transforms and validates needs most of its time for them. Nobody hears more of them. */
const MANY_UNKNOWN = 20;

/** One problem per field: that it is missing, else its kind, else the first that was found. */
function problems(errors: ValidationError[], prefix = '', suggestions = { left: MANY_UNKNOWN }): FieldProblem[] {
  return errors.flatMap((e) => {
    const path = prefix ? `${prefix}.${e.property}` : e.property;
    const rules = Object.entries(e.constraints ?? {});
    const [rule, text] = rules.find(([name]) => KIND.test(name)) ?? rules[0] ?? [];
    const inner = problems(e.children ?? [], path, suggestions);
    if (rule === undefined || text === undefined) return inner;
    if (rule === 'whitelistValidation')
      return [unknownField(e.target!.constructor, e.property, path, suggestions.left-- > 0)];
    if (e.value === undefined) return [{ path, problem: `${e.property} is required` }, ...inner];
    if (e.value === null) return [{ path, problem: `${e.property} must not be null` }, ...inner];
    const within = withinOf(text)?.map(({ place, problem, subject }) => ({
      path: place === '' ? path : `${path}.${place}`,
      problem: `${subject ?? (place === '' ? e.property : `${e.property}.${place}`)} ${problem}`,
    }));
    return [...(within ?? [{ path, problem: text }]), ...inner];
  });
}

@Injectable()
class BoundedPipe extends ValidationPipe {
  constructor(private readonly strict: boolean) {
    super({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: strict,
      forbidUnknownValues: true,
      // Its class knows what a key may have meant.
      validationError: { target: true, value: true },
      exceptionFactory: (errors) => invalidFields(problems(errors)),
    });
  }

  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    return super.transform(this.withoutMany(value, metadata), metadata);
  }

  private withoutMany(value: unknown, metadata: ArgumentMetadata): unknown {
    if (
      typeof value !== 'object' ||
      value === null ||
      Array.isArray(value) ||
      !metadata.metatype ||
      !this.toValidate(metadata)
    )
      return value;
    const type = metadata.metatype;
    const names = knownFields(type);
    const unknown = Object.keys(value).filter((name) => !names.has(name));
    // What transforms drops names that every object has, such as toString, and nobody would be told.
    if (unknown.length < MANY_UNKNOWN && !unknown.some((name) => name in Object.prototype)) return value;
    if (this.strict) throw invalidFields(unknown.map((name, i) => unknownField(type, name, name, i < MANY_UNKNOWN)));
    return Object.fromEntries(Object.entries(value).filter(([name]) => names.has(name)));
  }
}

/** Bodies and queries: every problem names its field; `strict` makes an unknown key an error too, otherwise it is dropped. */
export const validationPipe = (strict = true): ValidationPipe => new BoundedPipe(strict);
