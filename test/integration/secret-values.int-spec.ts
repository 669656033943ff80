// The search for values of secrets in whatever the suite leaves behind (test/support/secret-values.ts) finds them.
import { describe, expect, it } from 'vitest';
import { createTestDatabase, queryDatabase } from '../support/database.js';
import { expectNoTrace, requireMarkIn, secretValue, traceIn } from '../support/secret-values.js';

const value = secretValue(`wörd & "qu'ote"`);
const within = (before: number) => Buffer.from(`${'-'.repeat(before)}${value} `);
const bytesAs = (sign: string) => Buffer.from(value).toString('hex').replace(/../g, `${sign}$&`);

const SPELLINGS: [string, string][] = [
  ['as it is', value],
  ['in JSON', JSON.stringify({ a: [value] })],
  ['in JSON within JSON', JSON.stringify(JSON.stringify(value))],
  ['in a URL', encodeURIComponent(value)],
  ['in a form', new URLSearchParams({ a: value }).toString()],
  ['in a URL, every byte', bytesAs('%')],
  ['in hex', Buffer.from(value).toString('hex')],
  ['in hex, capitals', Buffer.from(value).toString('hex').toUpperCase()],
  ['with escapes of JSON', bytesAs('\\u00')],
  ...[0, 1, 2].flatMap((before): [string, string][] => [
    [`in base64, ${before} bytes behind`, within(before).toString('base64')],
    [`in base64url, ${before} bytes behind`, within(before).toString('base64url')],
    [`in base64 within base64, ${before}`, Buffer.from(` ${within(before).toString('base64')}`).toString('base64')],
    [`in base64 in hex, ${before}`, Buffer.from(within(before).toString('base64')).toString('hex')],
  ]),
];

describe('a value of a secret is found', () => {
  it.each(SPELLINGS)('%s', (_how, text) => {
    expect(traceIn(`{"level":40,"msg":"${text}"}`)).toContain(text.slice(0, 8));
    expect(() => expectNoTrace('a log', `before ${text} after`)).toThrow('The value of a secret is in a log');
  });

  it.each<[string, unknown]>([
    ['text', value],
    ['text, in base64', within(1).toString('base64')],
    ['bytea', Buffer.from(value)],
    ['bytea', Buffer.from(within(2).toString('base64url'))],
    ['jsonb', JSON.stringify({ [value]: 1 })],
    ['text[]', ['a', encodeURIComponent(value)]],
  ])('in a column of %s, before the database is dropped', async (what, stored) => {
    const database = await createTestDatabase();
    await queryDatabase(database.url, `CREATE SCHEMA apart CREATE TABLE "Leak" (it ${what.split(',')[0]})`);
    await queryDatabase(database.url, 'INSERT INTO apart."Leak" VALUES ($1)', [stored]);
    await expect(database.drop()).rejects.toThrow('in a table: apart."Leak": ');
    // It is gone all the same.
    await expect(queryDatabase(database.url, 'SELECT 1')).rejects.toThrow('does not exist');
  });
});

it('nothing is found where nothing is', async () => {
  expect(traceIn(`{"name":"DB_PASSWORD","version":2,"digest":"${'A'.repeat(43)}"}`)).toBeUndefined();
  await (await createTestDatabase()).drop();
});

it('no test stores a value that the search would not find', () => {
  for (const [method, path] of [
    ['PUT', '/org/acme/secret'],
    ['POST', '/api/v1/org/acme/secret/NAME/version?x=1'],
  ] as const) {
    expect(() => requireMarkIn(method, path, { value: 'plain' })).toThrow('secretValue()');
    expect(() => requireMarkIn(method, path, { value: 'cGxhaW4=', encoding: 'base64' })).toThrow('secretValue()');
    requireMarkIn(method, path, { value });
    requireMarkIn(method, path, { value: within(0).toString('base64'), encoding: 'base64' });
  }
  requireMarkIn('POST', '/org/acme/secret/NAME', { profileIds: [] });
});
