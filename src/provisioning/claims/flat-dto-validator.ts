import type { Type } from '@nestjs/common';
import { getMetadataStorage } from 'class-validator';

type Given = Record<string, unknown>;

interface Rules {
  /** As @IsOptional: the checks count only while all of these hold. */
  conditions: ((object: Given, value: unknown) => boolean)[];
  checks: ((value: unknown, object: Given) => boolean)[];
}

/**
 * The rules of a flat DTO class as one function: a fleet that comes online spends more on class-validator's general machinery than on its
 * claims. It only ever accepts; what is wrong with a body is for the general pipe to say.
 * @returns a function that makes an instance of the known fields, or undefined when any rule is broken.
 * @throws while the server starts, when the class has rules that are not flat (nested objects, lists).
 */
export function flatDtoValidator<T extends object>(type: Type<T>): (given: object) => T | undefined {
  const rules = rulesOf(type);
  return (given) => {
    const object = given as Given;
    const accepted = Object.create(type.prototype as object) as Given;
    for (const [name, { conditions, checks }] of rules) {
      const value = Object.hasOwn(object, name) ? object[name] : undefined;
      if (conditions.every((applies) => applies(object, value)) && !checks.every((check) => check(value, object)))
        return undefined;
      if (value !== undefined) accepted[name] = value;
    }
    return accepted as T;
  };
}

function rulesOf(type: Type<object>): Map<string, Rules> {
  const storage = getMetadataStorage();
  const rules = new Map<string, Rules>();
  for (const rule of storage.getTargetValidationMetadatas(type, '', false, false)) {
    const { propertyName, constraints = [], constraintCls } = rule;
    const own = rules.get(propertyName) ?? { conditions: [], checks: [] };
    rules.set(propertyName, own);
    if (rule.type === 'conditionalValidation') own.conditions.push(constraints[0] as Rules['conditions'][number]);
    else if (rule.type === 'customValidation' && !rule.each) {
      for (const { instance } of storage.getTargetValidatorConstraints(constraintCls)) {
        const about = { targetName: type.name, property: propertyName, constraints };
        own.checks.push((value, object) => instance.validate(value, { ...about, object, value }) === true);
      }
    } else throw new Error(`${type.name}.${propertyName} has a rule that is not flat: ${rule.type}`);
  }
  return rules;
}
