import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { breakingChanges, type ComparedDocument } from './support/openapi-diff.js';

const read = (file: string) =>
  JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')) as ComparedDocument;

const number = (version: string) => version.split('.').reduce((sum, part) => sum * 1000 + Number.parseInt(part, 10), 0);
/** The last release of which there is a document (`npm run fixture` writes one on a release's commit). */
const lastRelease = readdirSync(new URL('fixtures', import.meta.url))
  .filter((file) => file.endsWith('.openapi.json'))
  .map((file) => file.slice(0, -'.openapi.json'.length))
  .sort((a, b) => number(a) - number(b))
  .at(-1)!;

/** What breaks and may, since the last release, with the reason. An entry that matches nothing is removed. */
const ACCEPTED: [RegExp, string][] = [
  [/ path \w+ is integer, no longer string$/, 'the same requests: nothing but a number was ever found there'],
  [/ body\.\w+(\[\])? is integer, no longer number$/, 'the document only: fractions were always refused'],
  [/\/rule(\/\{ruleId\})? body\.priority is required$/, 'the document only: the server always asked for it'],
  [/ 200\.data\.drift\[\]\.(file|current) has another oneOf$/, 'the same values: null is said in another way'],
  [/ body\.(name|niceId|destination|ip|email) has minLength 1$/, 'the document only: nothing was never a name'],
  [/ body\.(ip|hcHostname|tlsServerName|hcTlsServerName|setHostHeader) has maxLength (253|300)$/, 'no host is longer'],
  [/\/whitelist\/(add|remove) body\.email has maxLength 254$/, 'no address is longer'],
  [/ body\.method takes only some values$/, 'nothing speaks another one; documents always said which'],
  [/ body\.hcStatus has (minimum 0|maximum 599)$/, 'no answer has another status'],
  [
    /\/approvals 200\.data\.results\[\]\.outcome has new values: permission_denied$/,
    'where a profile delivers secrets only',
  ],
  [/\/claims 200\.data\.claims\[\]\.door has new values: est$/, 'where devices enrol by EST only'],
  [/\/events 200\.data\.events\[\]\.type has new values: /, 'readers of the feed pass over types they do not know'],
];

describe(`the API since ${lastRelease}`, () => {
  const changes = breakingChanges(read(`test/fixtures/${lastRelease}.openapi.json`), read('docs/openapi.json'));

  it('breaks no client, but for what is accepted with a reason', () => {
    expect(changes.filter((change) => !ACCEPTED.some(([pattern]) => pattern.test(change)))).toEqual([]);
  });

  it('has no reason for what does not happen', () => {
    const idle = ACCEPTED.filter(([pattern]) => !changes.some((change) => pattern.test(change)));
    expect(idle.map(([pattern]) => String(pattern))).toEqual([]);
  });
});

const document = () => ({
  paths: {
    '/thing/{id}': {
      post: {
        operationId: 'setThing',
        parameters: [
          { name: 'id', in: 'path', required: true, schema: { type: 'integer' } },
          { name: 'limit', in: 'query', required: false, schema: { type: 'integer', maximum: 100 } },
        ],
        requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Body' } } } },
        responses: { '200': { content: { 'application/json': { schema: { $ref: '#/components/schemas/Thing' } } } } },
        security: [] as Record<string, unknown>[],
      },
    },
  },
  components: {
    schemas: {
      Body: {
        type: 'object',
        required: ['name'],
        properties: {
          name: { type: 'string', maxLength: 10 },
          kind: { type: 'string', enum: ['a', 'b'] },
          note: { type: 'string', nullable: true },
        },
      },
      Thing: {
        type: 'object',
        required: ['size', 'inner'],
        properties: {
          size: { type: 'integer' },
          kind: { type: 'string', enum: ['a', 'b'] },
          inner: { type: 'array', items: { $ref: '#/components/schemas/Thing' } },
        },
      },
    } as Record<string, { type: string; required: string[]; properties: Record<string, Record<string, unknown>> }>,
  },
});
type Sample = ReturnType<typeof document>;
const operation = (d: Sample) => d.paths['/thing/{id}'].post;
const body = (d: Sample) => d.components.schemas['Body']!;
const thing = (d: Sample) => d.components.schemas['Thing']!;

describe('the comparison', () => {
  it.each<[string, (d: Sample) => void]>([
    ['POST /thing/{id} is gone', (d) => Object.assign(d, { paths: {} })],
    ['POST /thing/{id} is called put, no longer setThing', (d) => (operation(d).operationId = 'put')],
    ['POST /thing/{id} asks for a credential', (d) => operation(d).security.push({ apiKey: [] })],
    ['POST /thing/{id} query limit is gone', (d) => operation(d).parameters.pop()],
    ['POST /thing/{id} query limit is required', (d) => (operation(d).parameters[1]!.required = true)],
    ['POST /thing/{id} query limit has maximum 50', (d) => (operation(d).parameters[1]!.schema.maximum = 50)],
    ['POST /thing/{id} no longer answers 200', (d) => Object.assign(operation(d), { responses: {} })],
    ['POST /thing/{id} needs a body', (d) => Object.assign(operation(d).requestBody, { required: true })],
    ['POST /thing/{id} body.kind is required', (d) => body(d).required.push('kind')],
    ['POST /thing/{id} body.note is gone', (d) => delete body(d).properties['note']],
    ['POST /thing/{id} body.kind no longer takes b', (d) => (body(d).properties['kind']!['enum'] = ['a', 'c'])],
    ['POST /thing/{id} body.name takes only some values', (d) => (body(d).properties['name']!['enum'] = ['a'])],
    ['POST /thing/{id} body.note may no longer be null', (d) => delete body(d).properties['note']!['nullable']],
    ['POST /thing/{id} body.name has pattern x', (d) => (body(d).properties['name']!['pattern'] = 'x')],
    [
      'POST /thing/{id} body.name is integer, no longer string',
      (d) => (body(d).properties['name']!['type'] = 'integer'),
    ],
    ['POST /thing/{id} 200.kind is gone', (d) => delete thing(d).properties['kind']],
    ['POST /thing/{id} 200.size may be absent', (d) => (thing(d).required = ['inner'])],
    ['POST /thing/{id} 200.size may be null', (d) => (thing(d).properties['size']!['nullable'] = true)],
    [
      'POST /thing/{id} 200.size is number, no longer integer',
      (d) => (thing(d).properties['size']!['type'] = 'number'),
    ],
    ['POST /thing/{id} 200.kind has new values: c', (d) => (thing(d).properties['kind']!['enum'] = ['a', 'b', 'c'])],
  ])('sees that %s', (sentence, change) => {
    const newer = document();
    change(newer);
    expect(breakingChanges(document(), newer)).toEqual([sentence]);
  });

  it.each<[string, (d: Sample) => void]>([
    ['nothing', () => undefined],
    ['a wider bound', (d) => (operation(d).parameters[1]!.schema.maximum = 500)],
    ['a new optional parameter', (d) => operation(d).parameters.push({ ...operation(d).parameters[1]!, name: 'page' })],
    ['a new optional field', (d) => (body(d).properties['more'] = { type: 'string' })],
    ['a new value that may be sent', (d) => (body(d).properties['kind']!['enum'] = ['a', 'b', 'c'])],
    ['a field that need not be sent any more', (d) => (body(d).required = [])],
    ['a new field of the answer', (d) => (thing(d).properties['more'] = { type: 'string' })],
    ['a value that is no longer answered', (d) => (thing(d).properties['kind']!['enum'] = ['a'])],
    ['a field that is always there now', (d) => thing(d).required.push('kind')],
    [
      'a schema that has a name now',
      (d) => (operation(d).requestBody.content['application/json'].schema = body(d) as never),
    ],
  ])('lets %s pass', (_, change) => {
    const newer = document();
    change(newer);
    expect(breakingChanges(document(), newer)).toEqual([]);
  });
});
