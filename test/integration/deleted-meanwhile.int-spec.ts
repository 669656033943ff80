import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

/** Deletes in a transaction, sends the call, and commits once the call waits for that transaction. */
async function whileDeleting<T>(statement: string, values: unknown[], call: () => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: app.database.url });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query(statement, values);
    const answer = call();
    await expect
      .poll(
        async () =>
          (
            await app.sql(
              `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
            )
          ).length,
      )
      .toBeGreaterThan(0);
    await client.query('COMMIT');
    return await answer;
  } finally {
    await client.end();
  }
}

const gone = (what: string) => ({ status: 404, body: { code: 'not_found', message: `${what} not found` } });

describe('something is created in an organization that is deleted at the same moment', () => {
  const calls: [string, string, object?][] = [
    ['PUT', 'site', { name: 'S', type: 'newt' }],
    ['PUT', 'site', { name: 'S', type: 'newt', address: '100.90.128.9' }],
    ['GET', 'pick-site-defaults'],
    ['GET', 'pick-client-defaults'],
    [
      'PUT',
      'client',
      { name: 'C', olmId: 'o'.repeat(15), secret: 's'.repeat(48), subnet: '100.90.128.9', type: 'olm' },
    ],
    ['PUT', 'address-range', { cidr: '10.0.0.0/24' }],
    ['PUT', 'group', { name: 'G' }],
    ['PUT', 'role', { name: 'R' }],
    ['PUT', 'api-key', { name: 'K' }],
    ['PUT', 'provisioning-profile', { name: 'P' }],
    ['PUT', 'provisioning-template', { name: 'T' }],
    ['PUT', 'domain', { type: 'wildcard', baseDomain: 'a.example.com' }],
    ['PUT', 'resource', { name: 'R', http: false, protocol: 'tcp', proxyPort: 7000 }],
  ];
  it.each(calls)('%s %s', async (method, path, body) => {
    const orgId = `gone-${calls.findIndex((call) => call[2] === body && call[1] === path)}`;
    await app.makeOrg(orgId);
    await app.root.expect('GET', `/org/${orgId}`);
    const answer = await whileDeleting('DELETE FROM org WHERE org_id = $1', [orgId], () =>
      app.root.send(method, `/org/${orgId}/${path}`, body),
    );
    expect(answer).toMatchObject(gone('Organization'));
  });
});

describe('what a new thing hangs on is deleted at the same moment', () => {
  beforeAll(() => app.makeOrg('parts'));

  it('a group or a profile', async () => {
    const { groupId } = await app.root.expect<{ groupId: number }>('PUT', '/org/parts/group', { name: 'G' });
    const { profileId } = await app.root.expect<{ profileId: number }>('PUT', '/org/parts/provisioning-profile', {
      name: 'P',
    });
    const put = (body: object) => () => app.root.put('/org/parts/provisioning-template', { name: 'T', ...body });
    expect(
      await whileDeleting('DELETE FROM site_group WHERE group_id = $1', [groupId], put({ groupIds: [groupId] })),
    ).toMatchObject(gone('Group'));
    expect(
      await whileDeleting('DELETE FROM provisioning_profile WHERE profile_id = $1', [profileId], put({ profileId })),
    ).toMatchObject(gone('Provisioning profile'));
  });

  it('a template', async () => {
    const { templateId } = await app.root.expect<{ templateId: number }>('PUT', '/org/parts/provisioning-template', {
      name: 'gone',
    });
    const answer = await whileDeleting('DELETE FROM provisioning_template WHERE template_id = $1', [templateId], () =>
      app.root.put('/org/parts/site-provisioning-key', { name: 'K', templateId, maxBatchSize: null }),
    );
    expect(answer).toMatchObject(gone('Provisioning template'));
  });
});
