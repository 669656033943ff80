import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { ValidateBy, ValidateIf, type ValidationOptions } from 'class-validator';
import { hasControlCharacters, isLabels, LABELS_RULE, nameProblem, normalName } from '#contracts';
import { isIpv4Range, isNetwork } from '../addresses.js';

const rule = (name: string, validate: (value: unknown) => boolean, message: string, options?: ValidationOptions) =>
  ValidateBy(
    { name, validator: { validate: (value) => validate(value), defaultMessage: () => `$property ${message}` } },
    options,
  );

export { hasControlCharacters };

/** As {@link isLabels}. */
export const IsLabels = () => rule('isLabels', isLabels, LABELS_RULE);

/** Size in UTF-8, not in characters. */
export const MaxBytes = (max: number) =>
  rule('maxBytes', (v) => typeof v === 'string' && Buffer.byteLength(v) <= max, `must be at most ${max} bytes`);

/** Size of the value as JSON. */
export const MaxJsonBytes = (max: number) =>
  rule(
    'maxJsonBytes',
    (v) => Buffer.byteLength(JSON.stringify(v) ?? '') <= max,
    `must be at most ${max} bytes as JSON`,
  );

/**
 * A name that people read: in NFC, not blank, and without what cannot be seen or changes the direction of writing (libs/contracts/names.ts).
 * Where nothing transforms a body, another form than NFC fails the rule, and the general pipe then makes it one.
 */
export const IsName = () =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? normalName(value) : value), {
      toClassOnly: true,
    }),
    ValidateBy({
      name: 'isName',
      validator: {
        validate: (value) =>
          typeof value === 'string' && normalName(value) === value && nameProblem(value) === undefined,
        defaultMessage: (args) =>
          `$property ${typeof args?.value === 'string' ? (nameProblem(args.value) ?? 'must be in the form NFC of Unicode') : 'must be a string'}`,
      },
    }),
  );

/** Text of one line: no control characters. */
export const NoControlCharacters = (options?: ValidationOptions) =>
  rule(
    'noControlCharacters',
    (v) => typeof v === 'string' && !hasControlCharacters(v),
    'must not contain control characters',
    options,
  );

/** An IPv4 CIDR from /8 to /32 without host bits: `100.90.128.0/17`, not `100.90.128.1/17`. */
export const IsIpv4Range = () =>
  rule('isIpv4Range', isIpv4Range, 'must be an IPv4 CIDR from /8 to /32 without host bits');

/** An address, or a range of them: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`. */
export const IsNetwork = () => rule('isNetwork', isNetwork, 'must be an IP address or a range, such as 10.0.0.0/8');

const PLACE = '\u001f';
const NEXT = '\u001e';
/** Enough to see what is wrong. */
const MAX_WITHIN = 20;

/** A problem inside a value, at a place below the field: `1.name` of a list of headers; '' is the field itself. */
export interface Within {
  place: string;
  problem: string;
  /** What has the problem [the field and the place]. */
  subject?: string;
}

/** A rule that says which entry of a list is wrong: the pipe of bodies reads the places out of its message. */
export const RuleWithin = (name: string, find: (value: unknown) => Within[]) =>
  ValidateBy({
    name,
    validator: {
      validate: (value) => find(value).length === 0,
      defaultMessage: (args) =>
        find(args?.value)
          .slice(0, MAX_WITHIN)
          .map(({ place, problem, subject = '' }) => [place, problem, subject].join(PLACE))
          .join(NEXT),
    },
  });

/** @returns what such a rule found, or undefined for the message of any other. */
export function withinOf(message: string): Within[] | undefined {
  if (!message.includes(PLACE)) return undefined;
  return message.split(NEXT).map((part) => {
    const [place, problem, subject] = part.split(PLACE) as [string, string, string];
    return { place, problem, ...(subject === '' ? {} : { subject }) };
  });
}

/** Entries that are wrong by themselves, or there twice. */
export function entries(list: unknown[], problemOf: (entry: unknown) => string | undefined): Within[] {
  const seen = new Set<unknown>();
  return list.flatMap((entry, i) => {
    const problem = problemOf(entry);
    const again = seen.has(entry);
    seen.add(entry);
    if (problem !== undefined) return [{ place: String(i), problem }];
    return again ? [{ place: String(i), problem: 'is there twice', subject: JSON.stringify(entry) }] : [];
  });
}

/** @returns why it is no list of `min` to `max` entries. */
export function sizeProblem(value: unknown, max: number, min = 0): Within[] {
  const what = `must be a list of ${min > 0 ? `${min} to ` : 'at most '}${max}`;
  return Array.isArray(value) && value.length >= min && value.length <= max ? [] : [{ place: '', problem: what }];
}

/** Ids of rows: at most `max` different positive whole numbers. */
export const IsIdList = (max: number, min = 0) =>
  RuleWithin('isIdList', (value) => {
    const size = sizeProblem(value, max, min);
    if (size.length > 0) return size.map(({ place, problem }) => ({ place, problem: `${problem} ids` }));
    return entries(value as unknown[], (id) =>
      Number.isSafeInteger(id) && (id as number) > 0 ? undefined : 'must be an id, a whole number above 0',
    );
  });

/** A number above `min`. */
export const MoreThan = (min: number) =>
  rule('moreThan', (v) => typeof v === 'number' && v > min, `must be more than ${min}`);

/** May be left out of a body; null is a value, and a wrong one. Fields whose type has null say `IsOptional`. */
export const MayBeAbsent = () => ValidateIf((_, value) => value !== undefined);
