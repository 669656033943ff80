import { describe, expect, it } from 'vitest';
import { ANYBODY, type Call, OPERATIONS, rightful, send, urlOf } from '../support/operations.js';
import { document, REFERENCE, scopeOf, setUpTenancy, snapshot, stranger, tables, victim } from '../support/tenancy.js';

setUpTenancy();

/** Fields that are no ids of rows (what a device said, who once acted): what is not there is an empty answer. A bulk decision answers per site. */
const NARROWED_BY_REFERENCE = [
  'actOnSites siteIds',
  'exportAccessLog actorId',
  'exportRequestLog actorId',
  'exportRequestLog siteId',
  'listAccessLog actorId',
  'listAudit actorId',
  'listAudit targetId',
  'listClaims hardwareId',
  'listClaims siteId',
  'listEvents hardwareId',
  'listEvents keyId',
  'listEvents siteId',
  'listKeyRefusals keyId',
  'listRejections hardwareId',
  'listRequestLog actorId',
  'listRequestLog siteId',
  'listSites hardwareId',
  'replaceSite hardwareId',
  'updateApprovals siteIds',
];
/** Rows that tie something of one organization to something of another. */
const MIXED_ROWS = `SELECT
  (SELECT count(*) FROM invitation_role m JOIN invitation i USING (invite_id) JOIN role r USING (role_id) WHERE i.org_id <> r.org_id) +
  (SELECT count(*) FROM site_group_member m JOIN site s USING (site_id) JOIN site_group g USING (group_id) WHERE s.org_id <> g.org_id) +
  (SELECT count(*) FROM provisioning_profile_group m JOIN provisioning_profile p USING (profile_id) JOIN site_group g USING (group_id) WHERE p.org_id <> g.org_id) +
  (SELECT count(*) FROM provisioning_template_group m JOIN provisioning_template t USING (template_id) JOIN site_group g USING (group_id) WHERE t.org_id <> g.org_id) +
  (SELECT count(*) FROM provisioning_template t JOIN provisioning_profile p USING (profile_id) WHERE t.org_id <> p.org_id) +
  (SELECT count(*) FROM site s JOIN provisioning_profile p USING (profile_id) WHERE s.org_id <> p.org_id) +
  (SELECT count(*) FROM bootstrap_secret n JOIN secret s USING (secret_id) JOIN provisioning_profile p USING (profile_id) WHERE s.org_id <> p.org_id) +
  (SELECT count(*) FROM secret s JOIN provisioning_profile p ON p.profile_id = ANY (s.profile_ids) WHERE s.org_id <> p.org_id) +
  (SELECT count(*) FROM provisioning_key k JOIN provisioning_template t USING (template_id) WHERE k.org_id <> t.org_id) +
  (SELECT count(*) FROM resource_role m JOIN role r USING (role_id) JOIN resource p USING (resource_id) WHERE r.org_id <> p.org_id) +
  (SELECT count(*) FROM resource_user m JOIN resource p USING (resource_id) WHERE m.org_id <> p.org_id) +
  (SELECT count(*) FROM site_resource_site m JOIN site s USING (site_id) JOIN site_resource p USING (site_resource_id) WHERE s.org_id <> p.org_id) +
  (SELECT count(*) FROM site_resource_role m JOIN role r USING (role_id) JOIN site_resource p USING (site_resource_id) WHERE r.org_id <> p.org_id) +
  (SELECT count(*) FROM site_resource_user m JOIN site_resource p USING (site_resource_id) WHERE m.org_id <> p.org_id) +
  (SELECT count(*) FROM site_resource_client m JOIN client c USING (client_id) JOIN site_resource p USING (site_resource_id) WHERE c.org_id <> p.org_id) +
  (SELECT count(*) FROM site_resource r JOIN domain d USING (domain_id) WHERE r.org_id <> d.org_id) +
  (SELECT count(*) FROM resource r JOIN domain d USING (domain_id) WHERE r.org_id <> d.org_id) +
  (SELECT count(*) FROM target t JOIN site s USING (site_id) JOIN resource r USING (resource_id) WHERE t.org_id <> s.org_id OR t.org_id <> r.org_id) +
  (SELECT count(*) FROM membership_role m JOIN role r USING (role_id) WHERE m.org_id <> r.org_id) +
  (SELECT count(*) FROM site_credential c JOIN site s USING (site_id) WHERE c.org_id <> s.org_id) AS mixed`;

describe("with the right credentials and another's ids", () => {
  it('a path that names something of another organization leads nowhere', async () => {
    const problems: string[] = [];
    for (const operation of document.operations.filter((o) => scopeOf(o) === 'org')) {
      const theirs = await OPERATIONS[operation.id]!.call(victim);
      const ours = await OPERATIONS[operation.id]!.call(stranger);
      const before = await snapshot(victim);
      for (const [name, value] of Object.entries(theirs.params ?? {})) {
        if (ANYBODY.includes(name)) continue;
        const mixed = { ...ours, params: { ...ours.params, [name]: value } };
        const callers = [
          ['the right caller', rightful(operation, stranger, ours)],
          ['the Admin', stranger.callers.admin.api],
        ] as const;
        for (const [who, api] of callers) {
          const reply = await send(operation, api, urlOf(operation, stranger, mixed), mixed.body);
          if (reply.status !== 404)
            problems.push(`${operation.id} with ${name} of another: ${who} got ${reply.status} ${reply.text}`);
        }
        if (!operation.path.includes('{orgId}')) continue;
        const reply = await send(operation, stranger.root, urlOf(operation, stranger, mixed), mixed.body);
        if (reply.status !== 404)
          problems.push(`${operation.id} with a path that contradicts itself: ${reply.status} ${reply.text}`);
      }
      const after = await snapshot(victim);
      for (const { name } of tables)
        if (before[name] !== after[name]) problems.push(`${operation.id}: changed ${name}`);
    }
    expect(problems).toEqual([]);
  });

  it('a body or query that names something of another organization finds nothing', async () => {
    const problems: string[] = [];
    const narrowed = new Set<string>();
    for (const operation of document.operations.filter((o) => scopeOf(o) === 'org')) {
      const { call: first, others = [] } = OPERATIONS[operation.id]!;
      for (const [call, part] of [first, ...others].flatMap((one) => [
        [one, 'body'] as const,
        [one, 'query'] as const,
      ])) {
        const theirs = await call(victim);
        for (const [name, value] of Object.entries(theirs[part] ?? {}).filter(([field]) => REFERENCE.test(field))) {
          const ours = await call(stranger);
          const mixed: Call = { ...ours, [part]: { ...ours[part], [name]: value } };
          const before = await snapshot(victim);
          const reply = await send(
            operation,
            rightful(operation, stranger, ours),
            urlOf(operation, stranger, mixed),
            mixed.body,
          );
          const after = await snapshot(victim);
          if (reply.status < 300) narrowed.add(`${operation.id} ${name}`);
          else if (reply.status !== 404)
            problems.push(`${operation.id} with ${name} of another: ${reply.status} ${reply.text}`);
          if (reply.text.includes(victim.orgId) && name !== 'hardwareId')
            problems.push(`${operation.id} with ${name} of another shows ${reply.text}`);
          // Rows that hang on rows (members of a group) may be of either: those that changed are looked at by their organization.
          for (const table of tables) {
            if (table.ofOrg && before[table.name] !== after[table.name])
              problems.push(`${operation.id} with ${name} of another changed ${table.name}`);
          }
        }
      }
    }
    expect(problems).toEqual([]);
    expect([...narrowed].sort()).toEqual(NARROWED_BY_REFERENCE);
    const [{ mixed } = { mixed: 0 }] = await victim.sql<{ mixed: number }>(MIXED_ROWS);
    expect(mixed).toBe(0);
  });

  it('a decision by filter touches nothing of another organization', async () => {
    const { callers } = stranger;
    for (const filter of [
      { keyId: victim.pendingKey.siteProvisioningKeyId },
      { group: String(victim.groupId) },
      { hardwareId: victim.pending.hardwareId },
    ]) {
      const before = await snapshot(victim);
      const reply = await callers.key.post<{ results: unknown[] }>(stranger.path('approvals'), {
        filter,
        decision: 'approve',
      });
      if ('hardwareId' in filter) expect(reply.body.data).toMatchObject({ results: [], remaining: 0 });
      else expect(reply).toMatchObject({ status: 404, body: { code: 'not_found' } });
      expect(await snapshot(victim)).toEqual(before);
    }
    const { body } = await callers.key.post<{ results: { outcome: string }[] }>(stranger.path('approvals'), {
      siteIds: [victim.pending.siteId],
      decision: 'reject',
    });
    expect(body.data.results.map((result) => result.outcome)).toEqual(['not_found']);
  });

  it('lists show the own organization alone', async () => {
    const lists = document.operations.filter(
      (o) => scopeOf(o) === 'org' && o.method === 'GET' && !/\{(?!orgId)/.test(o.path) && o.id !== 'streamEvents',
    );
    expect(lists.length).toBeGreaterThan(12);
    // The stranger itself has said these, when it asked for a replacement by them.
    const said = new RegExp(`${victim.orgId}-hardware-\\w+`, 'g');
    for (const operation of lists) {
      // Without narrowing, unless it must be narrowed.
      const call = operation.parameters.some((parameter) => parameter.in === 'query' && parameter.required)
        ? await OPERATIONS[operation.id]!.call(stranger)
        : {};
      const reply = await send(operation, rightful(operation, stranger, call), urlOf(operation, stranger, call));
      expect(reply.status, `${operation.id}: ${reply.text.slice(0, 200)}`).toBe(200);
      expect(reply.text.replaceAll(said, ''), operation.id).not.toContain(victim.orgId);
    }
  });
});
