import { getMetadataStorage, IsInt, IsOptional, IsString, MetadataStorage } from 'class-validator';
import { describe, expect, it } from 'vitest';
import { rememberRules } from './remembered-rules.js';

class Parent {
  @IsString() name: string;
  @IsInt() size: number;
}

class Child extends Parent {
  @IsOptional() @IsString({ groups: ['later'] }) more?: string;
  @IsString({ message: 'own' }) declare name: string;
}

function outcome(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return (error as Error).message;
  }
}

describe('remembered rules', () => {
  const fresh = () => Object.assign(new MetadataStorage(), getMetadataStorage());
  const asked = [
    ['', false, false, undefined],
    ['', true, false, undefined],
    ['', false, true, undefined],
    ['', false, false, ['later']],
    ['another', false, false, undefined],
  ] as const;

  it('are what class-validator collects', () => {
    const storage = fresh();
    rememberRules(storage);
    for (const type of [Child, Parent, Child])
      for (const [schema, always, strict, groups] of asked) {
        const given = [type, schema, always, strict, groups && [...groups]] as const;
        expect(storage.getTargetValidationMetadatas(...given)).toEqual(
          MetadataStorage.prototype.getTargetValidationMetadatas.apply(getMetadataStorage(), [...given]),
        );
      }
  });

  it('are collected once', () => {
    const storage = fresh();
    rememberRules(storage);
    const look = () => storage.getTargetValidationMetadatas(Child, '', false, false);
    expect(look()).toBe(look());
    expect(look().map(({ propertyName }) => propertyName)).toContain('size');
  });

  it.each([5, null, undefined, {}])('of an object whose constructor is %j are none', (said) => {
    const storage = fresh();
    const rules = () => storage.getTargetValidationMetadatas(said as never, '', false, false);
    const unremembered = outcome(rules);
    rememberRules(storage);
    expect(outcome(rules)).toEqual(unremembered);
  });
});
