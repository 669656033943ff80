import { Api, type Reply } from './api.js';
import { type FixtureOrg } from './fixture-org.js';
import { AGENTS_OPERATIONS } from './operations/agents.js';
import { BOOTSTRAPS_OPERATIONS } from './operations/bootstraps.js';
import { BUNDLES_OPERATIONS } from './operations/bundles.js';
import { CERTIFICATES_OPERATIONS } from './operations/certificates.js';
import { CREDENTIALS_OPERATIONS } from './operations/credentials.js';
import { FLEET_OPERATIONS } from './operations/fleet.js';
import { JOBS_OPERATIONS } from './operations/jobs.js';
import { type Call, type Operation } from './operations/operation.js';
import { ORGS_OPERATIONS } from './operations/orgs.js';
import { PEOPLE_OPERATIONS } from './operations/people.js';
import { PROVISIONING_OPERATIONS } from './operations/provisioning.js';
import { RESOURCES_OPERATIONS } from './operations/resources.js';
import { SECRETS_OPERATIONS } from './operations/secrets.js';
import { SITE_RESOURCES_OPERATIONS } from './operations/site-resources.js';
import { SITES_OPERATIONS } from './operations/sites.js';
import { TRUST_OPERATIONS } from './operations/trust.js';

export type { Call, Operation };

/** Every operation of the OpenAPI document, by operationId. */
export const OPERATIONS: Record<string, Operation> = {
  ...AGENTS_OPERATIONS,
  ...BOOTSTRAPS_OPERATIONS,
  ...BUNDLES_OPERATIONS,
  ...CREDENTIALS_OPERATIONS,
  ...PEOPLE_OPERATIONS,
  ...ORGS_OPERATIONS,
  ...SITES_OPERATIONS,
  ...RESOURCES_OPERATIONS,
  ...SITE_RESOURCES_OPERATIONS,
  ...FLEET_OPERATIONS,
  ...JOBS_OPERATIONS,
  ...PROVISIONING_OPERATIONS,
  ...CERTIFICATES_OPERATIONS,
  ...TRUST_OPERATIONS,
  ...SECRETS_OPERATIONS,
};

/**
 * Path parameters that are no ids of rows: `candidateId` may name anybody (who is no member is answered alike, whether they are somebody
 * elsewhere or nobody), `version` counts within what the parameter before it names.
 */
export const ANYBODY = ['candidateId', 'version'];

/** Whether a right call of the operation got what it should. */
export const asExpected = ({ id }: Documented, status: number): boolean => {
  const { answers } = OPERATIONS[id]!;
  return answers === undefined ? status < 300 : status === answers;
};

interface Schema {
  $ref?: string;
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  allOf?: Schema[];
  enum?: unknown[];
  [key: string]: unknown;
}

/** An operation as the OpenAPI document has it. */
export interface Documented {
  id: string;
  method: string;
  path: string;
  /** `org:<action>`, `root:<action>`, `user`, `site` or `public`. */
  scope: string;
  parameters: { name: string; in: 'path' | 'query' | 'header'; required?: boolean; schema: Schema }[];
  body?: Schema;
  statuses: number[];
}

export interface Document {
  operations: Documented[];
  schemas: Record<string, Schema>;
}

/** Reads the document of a running server. */
export async function readDocument(url: string): Promise<Document> {
  const document = (await (await fetch(`${url}/api/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Record<string, unknown>>>;
    components: { schemas: Record<string, Schema> };
  };
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, o]): Documented => {
      const body = (o['requestBody'] as { content: Record<string, { schema: Schema }> } | undefined)?.content[
        'application/json'
      ]?.schema;
      return {
        id: o['operationId'] as string,
        method: method.toUpperCase(),
        path,
        scope: o['x-scope'] as string,
        parameters: (o['parameters'] ?? []) as Documented['parameters'],
        ...(body ? { body } : {}),
        statuses: Object.keys(o['responses'] as object).map(Number),
      };
    }),
  );
  return { operations, schemas: document.components.schemas };
}

/** The path and query of a call. */
export function urlOf(operation: Documented, fixture: FixtureOrg, call: Call): string {
  const params: Record<string, string | number> = { orgId: fixture.orgId, ...call.params };
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const query = new URLSearchParams(
    Object.entries(call.query ?? {}).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();
  return query ? `${path}?${query}` : path;
}

/** Who calls it rightfully. */
export function rightful(operation: Documented, fixture: FixtureOrg, call: Call): Api {
  const { callers, root } = fixture;
  const by = {
    key: callers.key,
    admin: callers.admin.api,
    root,
    user: callers.member.api,
    site: callers.device,
    anybody: root.as(undefined),
  };
  return call.api ?? by[OPERATIONS[operation.id]!.by];
}

/** Sends a call, with what every request of the operation says. A stream of events never ends by itself: once it has begun it is cut. */
export async function send(
  operation: Documented,
  by: Api,
  url: string,
  body?: unknown,
): Promise<Reply<{ data: unknown; fields?: { path: string }[] }>> {
  const api = new Api(by.url, by.authorization, { ...OPERATIONS[operation.id]!.headers, ...by.extra });
  if (operation.id !== 'streamEvents') return (await api.send(operation.method, url, body)) as never;
  const abort = new AbortController();
  const headers = { ...(api.authorization ? { authorization: `Bearer ${api.authorization}` } : {}), ...api.extra };
  const response = await fetch(`${api.url}${url}`, { headers, signal: abort.signal });
  if (!response.ok) {
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: JSON.parse(text) as never, text };
  }
  abort.abort();
  return { status: response.status, headers: response.headers, body: { data: null }, text: '' };
}
