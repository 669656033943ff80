import { getMetadataStorage } from 'class-validator';
import { nearest } from '#contracts';
import type { FieldProblem } from '../errors.js';

type Class = abstract new (...args: never[]) => unknown;

const OTHER_NAMES = Symbol('other names of fields');

/**
 * What people call fields of this class who come from elsewhere, and no edit leads from it to the name here: the field, or a sentence
 * about where it is found. Case and the signs between words do not count.
 */
export const OtherNames =
  (names: Record<string, string>) =>
  (type: Class): void =>
    Reflect.defineMetadata(OTHER_NAMES, { ...otherNames(type), ...names }, type);

const otherNames = (type: object) => (Reflect.getMetadata(OTHER_NAMES, type) ?? {}) as Record<string, string>;

const fieldsOf = new WeakMap<object, ReadonlySet<string>>();
/** @returns the names that the rules of a class know. */
export function knownFields(type: object): ReadonlySet<string> {
  let names = fieldsOf.get(type);
  if (!names) {
    const rules = getMetadataStorage().getTargetValidationMetadatas(type as Class as never, '', false, false);
    fieldsOf.set(type, (names = new Set(rules.map((rule) => rule.propertyName))));
  }
  return names;
}

/** @returns what is wrong with a key that the class does not know: its path names it once. @param suggest whether to look for the one that was meant */
export const unknownField = (type: object, name: string, path: string, suggest = true): FieldProblem =>
  suggest ? unrecognized(path, [...knownFields(type)], name, otherNames(type)) : { path, problem: UNRECOGNIZED };

const UNRECOGNIZED = 'Unrecognized key';

/** @returns the problem of a key that is none of these, and which of them was probably meant. */
export function unrecognized(
  path: string,
  known: readonly string[],
  name = path,
  others: Record<string, string> = {},
): FieldProblem {
  const meant = nearest(name, known);
  const other = meant === undefined ? nearest(name, Object.keys(others)) : undefined;
  const hint = other === undefined ? meant : others[other]!;
  if (hint === undefined) return { path, problem: UNRECOGNIZED };
  return { path, problem: `${UNRECOGNIZED} (${known.includes(hint) ? `did you mean "${hint}"?` : hint})` };
}
