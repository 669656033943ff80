import { getMetadataStorage } from 'class-validator';

type Storage = ReturnType<typeof getMetadataStorage>;
type Rules = ReturnType<Storage['getTargetValidationMetadatas']>;

/**
 * Has class-validator collect the rules of a class once. It goes through the rules of all classes each time that it validates an object, to find
 * those that the class inherits, which takes longer than the rules of a small body; nothing changes them once the class is there.
 */
export function rememberRules(storage: Storage = getMetadataStorage()): void {
  const collect = storage.getTargetValidationMetadatas.bind(storage);
  const known = new WeakMap<object, Map<string, Rules>>();
  storage.getTargetValidationMetadatas = (type, schema, always, strictGroups, groups) => {
    // What came as JSON may say itself what its constructor is.
    const isClass = typeof type === 'function';
    if (!isClass || schema || groups?.length) return collect(type, schema, always, strictGroups, groups);
    const ofType = known.get(type) ?? new Map<string, Rules>();
    known.set(type, ofType);
    const how = `${Boolean(always)} ${Boolean(strictGroups)}`;
    const rules = ofType.get(how) ?? collect(type, schema, always, strictGroups, groups);
    ofType.set(how, rules);
    return rules;
  };
}
