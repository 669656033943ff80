import { isDeepStrictEqual } from 'node:util';
import { ApiContract } from '../openapi.js';
import type { ClientCall, ForeignClient, Kind } from './client.js';

export type Values = Record<string, string | number>;

/** Sends the calls of a client, one after the other. @throws at the first answer that the client could not use, with all that is wrong. */
export async function replay(client: ForeignClient, url: string, key: string, given: Values): Promise<void> {
  const values: Values = { ...given, key };
  const contract = client.strict ? await ApiContract.of(url) : undefined;
  if (client.strict && !contract) throw new Error('The server shows no document to be strict about');
  for (const call of client.calls) {
    const what = `${client.name}: ${call.method} ${call.path}`;
    const path = `${client.prefix ?? '/v1'}${filled(call.path, values)}`;
    const reply = await send(client, url + path, call, key, values);
    contract?.check(call.method, path, reply.status, reply.body);
    const problems = problemsOf(call, reply, values);
    if (problems.length > 0) throw new Error(`${what}\n  ${problems.join('\n  ')}\n  ${JSON.stringify(reply.body)}`);
    for (const [name, field] of Object.entries(call.keeps ?? {}))
      values[name] = fieldsOf(reply.body.data, field)[0] as string | number;
  }
}

interface Reply {
  status: number;
  type: string;
  body: { data: unknown; success: unknown; error: unknown; message: unknown; status: unknown };
}

async function send(client: ForeignClient, url: string, call: ClientCall, key: string, values: Values): Promise<Reply> {
  const headers: Record<string, string> = { authorization: `Bearer ${key}` };
  if (call.body || client.contentType === 'always') headers['content-type'] = 'application/json';
  for (const [name, value] of Object.entries(client.headers ?? {})) {
    if (name === 'content-type' && !call.body) continue;
    headers[name] = filled(value, values);
  }
  if (headers['authorization'] === '') delete headers['authorization'];
  const body = call.body && JSON.stringify(filledIn(call.body, values));
  const response = await fetch(url, { method: call.method, headers, ...(body ? { body } : {}) });
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    body: (await response.json()) as Reply['body'],
  };
}

/** What of the answer the client could not work with. */
function problemsOf(call: ClientCall, { status, type, body }: Reply, values: Values): string[] {
  const good = call.status === undefined ? status < 300 : status === call.status;
  if (!good) return [`answers ${status}, not ${call.status ?? 'a success'}`];
  const success = status < 300;
  return [
    ...(type.startsWith('application/json') ? [] : [`is ${type}`]),
    ...(body.success === success && body.error === !success && body.status === status ? [] : ['has another envelope']),
    ...(typeof body.message === 'string' ? [] : ['has no message']),
    ...Object.entries(call.reads ?? {}).flatMap(([field, kind]) => wrongKind(body.data, field, kind)),
    ...Object.entries(filledIn(call.shows ?? {}, values) as Record<string, unknown>).flatMap(([field, wanted]) => {
      const [shown] = fieldsOf(body.data, field);
      return isDeepStrictEqual(shown, wanted)
        ? []
        : [`${field} is ${JSON.stringify(shown)}, not ${JSON.stringify(wanted)}`];
    }),
  ];
}

const IS: Record<Kind, (value: unknown) => boolean> = {
  string: (value) => typeof value === 'string',
  integer: (value) => Number.isSafeInteger(value),
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  list: (value) => Array.isArray(value),
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};

function wrongKind(data: unknown, field: string, kind: Kind | `${Kind}?`): string[] {
  const found = fieldsOf(data, field);
  if (found.length === 0) return [`${field}: the list is empty, so that nothing was read`];
  const optional = kind.endsWith('?');
  const is = IS[kind.replace('?', '') as Kind];
  return found
    .filter((value) => !(is(value) || (optional && (value === null || value === undefined))))
    .map((value) => `${field} is ${JSON.stringify(value)}, not ${kind}`);
}

/** The values at a path: `a.b`, `list[0].c`, `list[].c` of every entry; '' is the data itself. */
function fieldsOf(data: unknown, field: string): unknown[] {
  let at: unknown[] = [data];
  for (const [, name, index] of field.matchAll(/([^.[\]]+)|\[(\d*)\]/g)) {
    if (name !== undefined) at = at.map((value) => (value as Record<string, unknown> | undefined)?.[name]);
    else if (index === '') at = at.flatMap((value) => (Array.isArray(value) ? (value as unknown[]) : [undefined]));
    else at = at.map((value) => (value as unknown[] | undefined)?.[Number(index)]);
  }
  return at;
}

const filled = (text: string, values: Values): string =>
  text.replace(/\{(\w+)(?::text)?\}/g, (_, name: string) => {
    if (values[name] === undefined) throw new Error(`Nothing gave {${name}}`);
    return String(values[name]);
  });

/** A text that is one placeholder becomes its value, a number too; `{name:text}` its digits. */
function filledIn(body: unknown, values: Values): unknown {
  if (typeof body === 'string') {
    const [, name] = /^\{(\w+)\}$/.exec(body) ?? [];
    return name === undefined ? filled(body, values) : (values[name] ?? filled(body, values));
  }
  if (Array.isArray(body)) return body.map((one) => filledIn(one, values));
  if (typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(Object.entries(body).map(([name, value]) => [name, filledIn(value, values)]));
}
