/**
 * What of a newer OpenAPI document breaks clients of an older one: requests that were right and no longer are, answers that lack what they
 * had. `in` is what clients send, which may only become wider; `out` what they read, which may only become narrower.
 */
type Json = Record<string, unknown>;
type Direction = 'in' | 'out';

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema?: Json;
}
interface Operation {
  operationId?: string;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content?: Content };
  responses?: Record<string, { content?: Content }>;
  security?: Json[];
}
type Content = Record<string, { schema?: Json }>;
export interface ComparedDocument {
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Json> };
}

/** @returns a sentence per breaking change, that begins with the operation. */
export function breakingChanges(older: ComparedDocument, newer: ComparedDocument): string[] {
  const comparison = new Comparison(older, newer);
  for (const [path, item] of Object.entries(older.paths)) {
    for (const [method, operation] of Object.entries(item))
      comparison.operation(`${method.toUpperCase()} ${path}`, operation, newer.paths[path]?.[method]);
  }
  return [...new Set(comparison.found)];
}

const keys = (object: unknown) => Object.keys((object ?? {}) as Json);
/** As text, in one order of keys; the format of a number says nothing about what is sent. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (key, v: unknown) =>
    key === 'format' && typeof v === 'string' && /^(int|float|double)/.test(v)
      ? undefined
      : typeof v === 'object' && v !== null && !Array.isArray(v)
        ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
        : v,
  );

class Comparison {
  readonly found: string[] = [];
  /** References that are being compared: a schema may hold itself. */
  private readonly open = new Set<string>();

  constructor(
    private readonly older: ComparedDocument,
    private readonly newer: ComparedDocument,
  ) {}

  operation(name: string, a: Operation, b: Operation | undefined): void {
    if (!b) return this.say(name, 'is gone');
    if (a.operationId !== b.operationId) this.say(name, `is called ${b.operationId}, no longer ${a.operationId}`);
    if (!a.security?.length && b.security?.length) this.say(name, 'asks for a credential');
    this.parameters(name, a.parameters ?? [], b.parameters ?? []);
    if (!a.requestBody?.required && b.requestBody?.required) this.say(name, 'needs a body');
    this.content(`${name} body`, a.requestBody?.content, b.requestBody?.content, 'in');
    for (const status of keys(a.responses).filter((code) => code.startsWith('2'))) {
      if (!b.responses?.[status]) this.say(name, `no longer answers ${status}`);
      else this.content(`${name} ${status}`, a.responses![status]!.content, b.responses[status].content, 'out');
    }
  }

  private parameters(name: string, older: Parameter[], newer: Parameter[]): void {
    const same = (one: Parameter) => (other: Parameter) => one.in === other.in && one.name === other.name;
    for (const parameter of newer) {
      if (parameter.required && !older.find(same(parameter))?.required)
        this.say(`${name} ${parameter.in} ${parameter.name}`, 'is required');
    }
    for (const parameter of older) {
      const now = newer.find(same(parameter));
      const place = `${name} ${parameter.in} ${parameter.name}`;
      if (!now) this.say(place, 'is gone');
      else this.schema(place, parameter.schema, now.schema, 'in');
    }
  }

  private content(place: string, older: Content | undefined, newer: Content | undefined, direction: Direction): void {
    for (const type of keys(older)) {
      if (!newer?.[type]) this.say(place, `is no longer ${type}`);
      else this.schema(place, older![type]!.schema, newer[type].schema, direction);
    }
  }

  private schema(place: string, older: Json | undefined, newer: Json | undefined, direction: Direction): void {
    const pair = `${direction} ${older?.['$ref']} ${newer?.['$ref']}`;
    const named = older?.['$ref'] !== undefined && newer?.['$ref'] !== undefined;
    if (named && this.open.has(pair)) return;
    if (named) this.open.add(pair);
    this.resolved(place, resolve(this.older, older ?? {}), resolve(this.newer, newer ?? {}), direction);
    if (named) this.open.delete(pair);
  }

  private resolved(place: string, a: Json, b: Json, direction: Direction): void {
    const say = (what: string) => this.say(place, what);
    const [wide, narrow] = direction === 'in' ? [b, a] : [a, b];
    for (const choice of ['oneOf', 'anyOf', 'allOf', 'not']) {
      if (canonical(a[choice]) !== canonical(b[choice])) say(`has another ${choice}`);
    }
    if (wide['type'] !== undefined && wide['type'] !== narrow['type']) {
      if (wide['type'] !== 'number' || narrow['type'] !== 'integer')
        return say(`is ${b['type'] ?? 'anything'}, no longer ${a['type'] ?? 'anything'}`);
    }
    if (narrow['nullable'] && !wide['nullable']) say(direction === 'in' ? 'may no longer be null' : 'may be null');
    const values = (schema: Json) => schema['enum'] as unknown[] | undefined;
    const beyond = (values(narrow) ?? []).filter((value) => values(wide) && !values(wide)!.includes(value));
    if (values(wide) && !values(narrow)) say(direction === 'in' ? 'takes only some values' : 'has more values');
    else if (beyond.length > 0)
      say(direction === 'in' ? `no longer takes ${beyond.join(', ')}` : `has new values: ${beyond.join(', ')}`);
    if (direction === 'in') this.bounds(place, a, b);
    this.properties(place, a, b, direction);
    if (a['items'] || b['items'])
      this.schema(`${place}[]`, a['items'] as Json | undefined, b['items'] as Json | undefined, direction);
    const [more, moreNow] = [a['additionalProperties'], b['additionalProperties']];
    if (typeof more === 'object' && typeof moreNow === 'object')
      this.schema(`${place}.*`, more as Json, moreNow as Json, direction);
  }

  /** Bounds of what is sent may only become wider. */
  private bounds(place: string, a: Json, b: Json): void {
    for (const [bound, sign] of BOUNDS) {
      const [was, is] = [a[bound], b[bound]] as [number | undefined, number | undefined];
      if (is !== undefined && (was === undefined || (is - was) * sign > 0)) this.say(place, `has ${bound} ${is}`);
    }
    if (b['pattern'] !== undefined && a['pattern'] !== b['pattern']) this.say(place, `has pattern ${b['pattern']}`);
    if (b['type'] === 'string' && b['format'] !== undefined && a['format'] !== b['format'])
      this.say(place, `has format ${b['format']}`);
  }

  private properties(place: string, a: Json, b: Json, direction: Direction): void {
    const [before, now] = [a['properties'], b['properties']] as [Record<string, Json>?, Record<string, Json>?];
    const [needed, needs] = [a['required'], b['required']].map((list) => (list ?? []) as string[]) as [
      string[],
      string[],
    ];
    for (const name of keys(before)) {
      // Unknown fields are refused in what is sent, so that one that is gone breaks both directions.
      if (!now?.[name]) this.say(`${place}.${name}`, 'is gone');
      else this.schema(`${place}.${name}`, before![name], now[name], direction);
      if (direction === 'out' && needed.includes(name) && now?.[name] && !needs.includes(name))
        this.say(`${place}.${name}`, 'may be absent');
    }
    if (direction === 'in')
      for (const name of needs.filter((field) => !needed.includes(field))) this.say(`${place}.${name}`, 'is required');
  }

  private say(place: string, what: string): void {
    this.found.push(`${place} ${what}`);
  }
}

const BOUNDS: [string, 1 | -1][] = [
  ['minimum', 1],
  ['minLength', 1],
  ['minItems', 1],
  ['minProperties', 1],
  ['maximum', -1],
  ['maxLength', -1],
  ['maxItems', -1],
  ['maxProperties', -1],
];

/** A schema without its reference, and without an `allOf` that holds one only to say something beside it. */
function resolve(document: ComparedDocument, schema: Json): Json {
  const reference = schema['$ref'] as string | undefined;
  if (reference) {
    const target = document.components?.schemas?.[reference.split('/').at(-1)!];
    if (!target) throw new Error(`There is no ${reference}.`);
    return resolve(document, target);
  }
  const all = schema['allOf'] as Json[] | undefined;
  if (all?.length !== 1) return schema;
  const { allOf: _, ...rest } = schema;
  return { ...resolve(document, all[0]!), ...rest };
}
