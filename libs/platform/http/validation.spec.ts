import 'reflect-metadata';
import { IsOptional, IsString } from 'class-validator';
import { describe, expect, it } from 'vitest';
import type { AppError } from '../errors.js';
import { validationPipe } from './validation.js';

class Body {
  @IsString() name: string;
  @IsOptional() @IsString() note?: string;
}

const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, 1]));
const pass = (strict: boolean, value: unknown) =>
  validationPipe(strict).transform(value, { type: 'body', metatype: Body });
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
  it('names what is unknown, at most twenty entries, and says how many more', async () => {
    expect(await problemsOf({ name: 'x', a: 1, b: 2 })).toEqual(
      ['a', 'b'].map((path) => ({ path, problem: `Unrecognized key "${path}"` })),
    );
    const fields = await problemsOf({ name: 1, ...many(1000) });
    expect(fields).toHaveLength(20);
    expect(fields[0]).toEqual({ path: 'k0', problem: 'Unrecognized key "k0"' });
    expect(fields[19]).toEqual({ path: '', problem: 'and 981 more problems' });
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
