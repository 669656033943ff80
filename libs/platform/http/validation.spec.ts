import 'reflect-metadata';
import { Type } from 'class-transformer';
import { IsOptional, IsString, ValidateNested } from 'class-validator';
import { describe, expect, it } from 'vitest';
import type { AppError } from '../errors.js';
import { OtherNames } from './unknown-fields.js';
import { validationPipe } from './validation.js';

class Inner {
  @IsOptional() @IsString() hostName?: string;
}

@OtherNames({ expiry: 'validUntil', group: 'groups are a field of its profile' })
class Sample {
  @IsString() name: string;
  @IsOptional() @IsString() note?: string;
  @IsOptional() @IsString() validUntil?: string;
  @IsOptional() @ValidateNested() @Type(() => Inner) inner?: Inner;
}

const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, 1]));
const pass = (strict: boolean, value: unknown) =>
  validationPipe(strict).transform(value, { type: 'body', metatype: Sample });
const problemsOf = (value: unknown) =>
  pass(true, value).then(
    () => [],
    (error: AppError) => error.details.fields ?? [],
  );

/** Counts how often its keys are listed and its values read. */
function counted(value: Record<string, unknown>) {
  const work = { listed: 0, read: 0 };
  const proxy = new Proxy(value, {
    ownKeys: (target) => (work.listed++, Reflect.ownKeys(target)),
    get: (target, key) => (work.read++, Reflect.get(target, key) as unknown),
  });
  return { work, proxy };
}

describe('validationPipe', () => {
  it.each(['constructor', 'toString', 'hasOwnProperty'])('knows no key %s, which every object has', async (key) => {
    const sent = { name: 'x', ...(JSON.parse(`{"${key}": 1}`) as object) };
    expect(await problemsOf(sent)).toEqual([{ path: key, problem: 'Unrecognized key' }]);
    expect({ ...((await pass(false, sent)) as object) }).toEqual({ name: 'x' });
  });

  it('names what is unknown, at most twenty entries, and says how many more', async () => {
    expect(await problemsOf({ name: 'x', a: 1, b: 2 })).toEqual(
      ['a', 'b'].map((path) => ({ path, problem: 'Unrecognized key' })),
    );
    const fields = await problemsOf({ name: 1, ...many(1000) });
    expect(fields).toHaveLength(20);
    expect(fields[0]).toEqual({ path: 'k0', problem: 'Unrecognized key' });
    expect(fields[19]).toEqual({ path: '', problem: 'and 981 more problems' });
  });

  it.each([
    ['naem', 'did you mean "name"?'],
    ['valid_until', 'did you mean "validUntil"?'],
    ['VALIDUNTIL', 'did you mean "validUntil"?'],
    ['expiry', 'did you mean "validUntil"?'],
    ['Expiry', 'did you mean "validUntil"?'],
    ['groups', 'groups are a field of its profile'],
  ])('says an unknown key once, and what was probably meant: %s', async (key, hint) => {
    const error = await pass(true, { name: 'x', [key]: 1 }).catch((refused: AppError) => refused);
    expect(error).toMatchObject({
      message: `Validation error: Unrecognized key (${hint}) at "${key}"`,
      details: { fields: [{ path: key, problem: `Unrecognized key (${hint})` }] },
    });
  });

  it('suggests inside of what is nested, and for some of many keys alone', async () => {
    expect(await problemsOf({ name: 'x', inner: { host_name: 'a', ['k'.repeat(1000)]: 1 } })).toEqual([
      { path: 'inner.host_name', problem: 'Unrecognized key (did you mean "hostName"?)' },
      { path: `inner.${'k'.repeat(294)}…`, problem: 'Unrecognized key' },
    ]);
    const near = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`name${'_'.repeat(i)}`, 1]));
    for (const body of [
      { ...near, name: 'x' },
      { name: 'x', inner: near },
    ]) {
      const fields = await problemsOf(body);
      expect(fields).toHaveLength(20);
    }
  });

  it('does not look at the values of many unknown keys', async () => {
    const { work, proxy } = counted({ name: 'x', ...many(1000) });
    await expect(pass(true, proxy)).rejects.toThrow(/981 more/);
    expect(work).toEqual({ listed: 1, read: 0 });
  });

  it('drops them where a body is lenient', async () => {
    expect(await pass(false, { name: 'x', ...many(1000) })).toEqual({ name: 'x' });
    expect(await pass(false, { name: 'x', a: 1 })).toEqual({ name: 'x' });
  });

  it('clips a path of any length', async () => {
    const [field] = await problemsOf({ name: 'x', ['k'.repeat(100_000)]: 1 });
    expect(field!.path.length + field!.problem.length).toBeLessThan(700);
  });
});
