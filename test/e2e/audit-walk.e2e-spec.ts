import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, newHardwareId, provision } from '../support/api.js';
import { behindProxy } from '../support/behind-proxy.js';
import { FixtureOrg, PASSWORD } from '../support/fixture-org.js';
import { CSRF } from '../support/log-in.js';
import {
  asExpected,
  type Call,
  type Document,
  type Documented,
  OPERATIONS,
  readDocument,
  rightful,
  send,
  urlOf,
} from '../support/operations.js';
import { startServer, type TestServer, until } from '../support/server.js';

/** Operations that are no reads by their method, and change nothing. */
const WITHOUT_AUDIT = {
  getNewtToken: 'a token is computed, not stored; the session that it opens is an event',
  getDeviceToken: 'a token is computed, not stored; the session that it opens is an event',
  getNewtVersion: 'answers nothing',
  requestEmailCode: 'what it sends is recorded with the account, after the answer: invitations.int-spec.ts',
  requestPasswordReset: 'what it sends is recorded with the account, after the answer: password-resets.int-spec.ts',
  closeOrg: 'asked with dryRun, for the organization is needed: org-closing.int-spec.ts',
  acknowledgeBundle: 'what a site says of its bundle is an event: bundle-acks.int-spec.ts',
  takeLease: 'the last lease of a site is its row: leases.int-spec.ts',
  createOrgUser: 'there are no identity providers yet',
  setUp: 'works once, where no ADMIN_PASSWORD was given: setup.int-spec.ts',
  logInToResource: 'what it makes is good for a minute; who opened what is the log of the edge',
  lookUpSites: 'asks for more than a query takes, and changes nothing',
};
/** Fields whose values are secrets, in requests and answers. */
const SECRET =
  /^(secret|apiKey|siteProvisioningKey|provisioningKey|provision_key|api_key|token|password|currentPassword|newPassword|code|claim_?[nN]once|psk|challenge)$/;

/** Where machines say who they are, and nobody has checked it. */
const CLAIM_DOORS = /\/auth\/newt\/|\/provision$|\/simpleenroll$/;

/** Acts of a person on themselves, or on a person as such, and the one that leaves no organization: read by the installation. */
const OF_NO_ORG = new Set([
  'auth.login',
  'auth.logout',
  'auth.end_session',
  'user.change_password',
  'user.set_two_factor',
  'user.verify',
  'user.prove_mailbox',
  'user.reset_password',
  'org.delete',
]);

interface AuditRow {
  orgId: string | null;
  actorType: string;
  actorId: string | null;
  action: string;
  targetType: string | null;
  targetId: string | null;
  address: string | null;
  result: string;
  details: unknown;
}

const proxy = behindProxy();
let server: TestServer;
let document: Document;
let fixture: FixtureOrg;
let addresses = 0;

beforeAll(async () => {
  server = await startServer({ env: { ...proxy.env, REFUSALS_PER_MINUTE: '1000000' } });
  document = await readDocument(server.url);
  fixture = await FixtureOrg.open(server);
});
afterAll(async () => {
  await server?.stop();
  proxy.remove();
});

/** The same caller, from a machine that nobody else has. */
function from(api: Api): { api: Api; address: string } {
  const address = `198.51.100.${++addresses % 250}`;
  return { api: new Api(api.url, api.authorization, { ...api.extra, 'x-forwarded-for': address }), address };
}

const lastRow = async () =>
  (await fixture.sql<{ id: number }>('SELECT coalesce(max(audit_id), 0) AS id FROM audit'))[0]!.id;
/** Jobs that earlier calls have made end whenever they do. */
const rowsAfter = (id: number) =>
  fixture.sql<AuditRow>(
    `SELECT org_id AS "orgId", actor_type AS "actorType", actor_id AS "actorId", action, target_type AS "targetType", target_id AS "targetId",
       host(address) AS address, result, details FROM audit WHERE audit_id > $1 AND action <> 'job.finish' ORDER BY audit_id`,
    [id],
  );

const mutating = () => document.operations.filter((operation) => operation.method !== 'GET');
const audited = () => mutating().filter((operation) => OPERATIONS[operation.id]!.audit !== undefined);

/** What is no JSON has none. */
const fieldsOf = (value: unknown) => (typeof value === 'object' ? value : {});

/** Calls an operation once and compares what the audit says of it. */
async function walk(
  operation: Documented,
  caller: (call: Call) => Api,
  actor: (call: Call) => Partial<AuditRow>,
): Promise<void> {
  const [action, targetType, id] = OPERATIONS[operation.id]!.audit!;
  const call = await OPERATIONS[operation.id]!.call(fixture);
  const { api, address } = from(caller(call));
  const before = await lastRow();
  const reply = await send(operation, api, urlOf(operation, fixture, call), call.text ?? call.body);
  expect(reply.status, `${operation.id}: ${reply.text}`).toBeLessThan(300);
  const rows = await rowsAfter(before);
  const target = typeof call.target === 'function' ? await call.target() : call.target;
  const named = { orgId: fixture.orgId, ...(reply.body.data as object), ...call.params } as Record<string, unknown>;
  const orgId = OF_NO_ORG.has(action) ? null : named['orgId'];
  expect(rows, operation.id).toEqual([
    {
      orgId,
      action,
      targetType,
      targetId: String(target ?? named[id!]),
      address,
      result: 'success',
      details: rows[0]?.details,
      ...actor(call),
    },
  ]);
  // Of a key the part after its public id.
  const secrets = Object.entries({ ...call.body, ...fieldsOf(reply.body.data), ...fieldsOf(reply.body) }).filter(
    ([name, value]) => SECRET.test(name) && value,
  );
  for (const [name, value] of secrets)
    expect(JSON.stringify(rows), `${operation.id} shows ${name}`).not.toContain(String(value).split('.').at(-1));
}

describe('every operation that changes something', () => {
  it('is in the table with what the audit says of it, or is named with the reason', () => {
    const without = mutating()
      .filter((operation) => OPERATIONS[operation.id]!.audit === undefined)
      .map((operation) => operation.id);
    expect(without.sort()).toEqual(Object.keys(WITHOUT_AUDIT).sort());
    expect(audited().length).toBeGreaterThan(35);
  });

  it('leaves exactly one row: actor, address, action, target, result', async () => {
    const root = server.rootKey.split('.')[0]!;
    for (const operation of audited()) {
      const { by } = OPERATIONS[operation.id]!;
      await walk(
        operation,
        (call) => rightful(operation, fixture, call),
        (call) => {
          if (by === 'key') return { actorType: 'api_key', actorId: fixture.callers.keyId };
          if (by === 'admin') return { actorType: 'user', actorId: fixture.callers.admin.userId };
          if (by === 'root') return { actorType: 'root_key', actorId: root };
          if (by === 'site') return { actorType: 'site', actorId: call.actor! };
          return {
            actorType: CLAIM_DOORS.test(operation.path) ? 'agent' : 'user',
            actorId: call.actor!,
          };
        },
      );
    }
  });

  it('names the person, when a person did it', async () => {
    const { userId, api } = fixture.callers.admin;
    for (const operation of audited().filter((o) => o.scope.startsWith('org:')))
      await walk(
        operation,
        () => api,
        () => ({ actorType: 'user', actorId: userId }),
      );
  });

  it('leaves none when it changed nothing because it may not, cannot, or is wrong', async () => {
    const before = await lastRow();
    for (const operation of audited().filter((o) => o.scope.startsWith('org:'))) {
      const params = Object.fromEntries(
        [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [
          name!,
          name === 'orgId' ? fixture.orgId : '999999999',
        ]),
      );
      const url = urlOf(operation, fixture, { params });
      const { bareKey, key } = fixture.callers;
      if (operation.path.replace('{orgId}', '').includes('{'))
        expect((await send(operation, key, url, {})).status, operation.id).toBeGreaterThanOrEqual(400);
      if (operation.body)
        expect((await send(operation, key, url, { unknown: 1 })).status, operation.id).toBeGreaterThanOrEqual(400);
      expect((await send(operation, bareKey, url, {})).status, operation.id).toBeGreaterThanOrEqual(400);
    }
    expect(await rowsAfter(before)).toEqual([]);
  });
});

describe('the rest', () => {
  it('operations that change nothing leave no row', async () => {
    for (const operation of document.operations.filter((o) => OPERATIONS[o.id]!.audit === undefined)) {
      const call = await OPERATIONS[operation.id]!.call(fixture);
      const before = await lastRow();
      const { status } = await send(
        operation,
        rightful(operation, fixture, call),
        urlOf(operation, fixture, call),
        call.text ?? call.body,
      );
      expect(asExpected(operation, status), `${operation.id}: ${status}`).toBe(true);
      expect(await rowsAfter(before), operation.id).toEqual([]);
    }
  });

  it('a bulk decision leaves one row per site, a dry run none', async () => {
    const siteIds = [
      (await fixture.site('pending')).siteId,
      (await fixture.site('pending')).siteId,
      (await fixture.site('pending')).siteId,
    ];
    const { api, address } = from(fixture.callers.key);
    const before = await lastRow();
    await api.expect('POST', fixture.path('approvals'), { siteIds, decision: 'reject', dryRun: true });
    expect(await rowsAfter(before)).toEqual([]);
    await api.expect('POST', fixture.path('approvals'), { siteIds, decision: 'reject' });
    const rows = await rowsAfter(before);
    expect(rows.map((row) => [row.action, row.address, row.targetId]).sort()).toEqual(
      siteIds.map((id) => ['site.reject', address, String(id)]).sort(),
    );
  });

  it('a failed login, of a known name or an unknown one, is a failure with its address', async () => {
    const { email } = fixture.callers.member;
    for (const name of [email, 'nobody@example.com']) {
      const { api, address } = from(new Api(server.url, undefined, CSRF));
      const before = await lastRow();
      expect((await api.post('/auth/login', { email: name, password: 'wrong password' })).status).toBe(401);
      // Recorded after the answer.
      expect(await until(async () => ((await rowsAfter(before)).length > 0 ? rowsAfter(before) : undefined))).toEqual([
        {
          orgId: null,
          actorType: 'anonymous',
          actorId: name,
          action: 'auth.login',
          targetType: null,
          targetId: null,
          address,
          result: 'failure',
          details: null,
        },
      ]);
    }
  });

  it('a wrong current password is a failure', async () => {
    const { api: person, userId } = await fixture.user('Member');
    const { api, address } = from(person);
    const before = await lastRow();
    expect(
      (await api.post('/auth/change-password', { currentPassword: `not ${PASSWORD}`, newPassword: 'another password' }))
        .status,
    ).toBe(400);
    expect(await rowsAfter(before)).toEqual([
      {
        orgId: null,
        actorType: 'user',
        actorId: userId,
        action: 'user.change_password',
        targetType: 'user',
        targetId: userId,
        address,
        result: 'failure',
        details: null,
      },
    ]);
  });

  it('a refused claim is refused in the audit too, with the reason that the machine is not told', async () => {
    const key = await fixture.provisioningKey();
    await fixture.root.expect('POST', fixture.path(`site-provisioning-key/${key.siteProvisioningKeyId}/revoke`));
    const hardwareId = newHardwareId();
    const before = await lastRow();
    expect(
      (await provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id: hardwareId })).status,
    ).toBe(403);
    const rows = await until(async () => {
      const found = await rowsAfter(before);
      return found.length > 0 && found;
    });
    expect(rows).toMatchObject([
      {
        orgId: fixture.orgId,
        actorType: 'agent',
        actorId: hardwareId,
        action: 'site.claim',
        address: '127.0.0.1',
        result: 'refused',
        details: { reason: 'revoked' },
      },
    ]);
  });

  it('what is audited can be read by the organization that it concerns', async () => {
    const groupId = await fixture.group();
    const { audit } = await fixture.callers.key.expect<{ audit: AuditRow[] }>(
      'GET',
      fixture.path(`audit?action=group.create&targetId=${groupId}`),
    );
    expect(audit).toMatchObject([
      { orgId: fixture.orgId, actorType: 'root_key', action: 'group.create', result: 'success', address: '127.0.0.1' },
    ]);
  });
});
