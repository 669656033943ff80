import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FixtureOrg } from '../support/fixture-org.js';
import { type ResourceNotice, ResourceNotices } from '../support/notices.js';
import { type Document, OPERATIONS, readDocument, rightful, send, urlOf } from '../support/operations.js';
import { startServer, type TestServer } from '../support/server.js';

const NOT_LOOKED_UP = 'who is on the domain is not looked up';
/** Operations that tell of a change when nothing that is served has changed, and why. */
const UNASKED = { updateOrgDomain: NOT_LOOKED_UP, postOrgDomain: NOT_LOOKED_UP };

let server: TestServer;
let document: Document;
let fixture: FixtureOrg;
let notices: ResourceNotices;
beforeAll(async () => {
  server = await startServer();
  document = await readDocument(server.url);
  fixture = await FixtureOrg.open(server);
  notices = await ResourceNotices.listen(server.databaseUrl);
});
afterAll(async () => {
  await notices?.close();
  await server?.stop();
});

const PARTS = {
  public: ['target', 'resource_rule', 'resource_role', 'resource_user', 'resource_whitelist', 'access_token'],
  private: ['site_resource_site', 'site_resource_role', 'site_resource_user', 'site_resource_client'],
};
const UNSEEN = `'{health,hc_health,version}'::text[]`;
const stateOf = (kind: keyof typeof PARTS, table: string) => `
  SELECT '${kind}' AS kind, r.org_id AS "orgId", r.${table}_id AS id, md5(concat_ws('|', to_jsonb(r) - ${UNSEEN}, to_jsonb(d) - '{tries,next_try_at,error_message,failed,version}'::text[],
    ${PARTS[kind].map((part) => `(SELECT jsonb_agg(to_jsonb(p) - ${UNSEEN} ORDER BY to_jsonb(p)) FROM ${part} p WHERE p.${table}_id = r.${table}_id)`).join(', ')})) AS hash
  FROM ${table} r LEFT JOIN domain d USING (domain_id) WHERE r.staged_by IS NULL`;
const STATE = `${stateOf('public', 'resource')} UNION ALL ${stateOf('private', 'site_resource')}`;

/** Every resource that is not staged with all that it is made of, as a hash by `kind organization id`. */
async function state(): Promise<Map<string, string>> {
  const rows = await fixture.sql<{ kind: string; orgId: string; id: number; hash: string }>(STATE);
  return new Map(rows.map((row) => [`${row.kind} ${row.orgId} ${row.id}`, row.hash]));
}

const difference = (before: Map<string, string>, after: Map<string, string>): string[] =>
  [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key)).sort();

/** What notices name, in the words of `state`. */
const named = (sent: ResourceNotice[]): string[] =>
  [...new Set(sent.flatMap(({ kind, orgId, ids }) => (ids ?? ['any']).map((id) => `${kind} ${orgId} ${id}`)))].sort();

const mutating = () => document.operations.filter((operation) => operation.method !== 'GET');

describe('a notice of change', () => {
  it('comes of every operation that changes anything of a resource, names it, and comes of no other', async () => {
    const telling: string[] = [];
    for (const operation of mutating()) {
      const call = await OPERATIONS[operation.id]!.call(fixture);
      const before = await state();
      await notices.take();
      await send(operation, rightful(operation, fixture, call), urlOf(operation, fixture, call), call.body);
      const sent = await notices.take();
      if (operation.id in UNASKED) continue;
      const changed = difference(before, await state());
      expect(named(sent), operation.id).toEqual(changed);
      if (changed.length > 0) telling.push(operation.id);
    }
    // What the audit calls a change of a resource, or of a part of one.
    const ofResources = mutating().filter(({ id }) =>
      ['resource', 'site_resource', 'target', 'rule', 'access_token'].includes(OPERATIONS[id]!.audit?.[1] ?? ''),
    );
    expect(telling).toEqual(expect.arrayContaining(ofResources.map(({ id }) => id)));
    expect(telling).toContain('addClientToSiteResources');
  });
});
