// The rules are those of docs/credentials.md §3.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CredentialKind } from '#contracts';
import { deviceToken, provision } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { Fleet, ids } from '../support/fleets.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';

let database: TestDatabase;
let servers: StartedApp[];
let fleet: Fleet;
let serial = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  servers = [await startApp(database.url), await startApp(database.url)];
});
afterAll(async () => {
  await Promise.all((servers ?? []).map((server) => server.close()));
  await database?.drop();
});
beforeEach(async () => {
  fleet = await makeFleet();
});

async function makeFleet(): Promise<Fleet> {
  const orgId = `fleet${serial++}`;
  await servers[0]!.root.expect('PUT', '/org', { orgId, name: orgId });
  return new Fleet(servers[0]!, orgId);
}

describe('the rotation of a fleet', () => {
  it.each(['api_key', 'newt', 'psk', 'certificate'] as CredentialKind[])(
    'asks sites with credentials of the kind %s, counts those that take another one, and ends with them',
    async (kind) => {
      const sites = await fleet.sites(3, kind);
      await fleet.connect(sites);
      const jobId = await fleet.rotate({ credentialKind: kind }, { overlapSeconds: 60 });
      expect(await fleet.asked(jobId, 3)).toMatchObject({
        status: 'running',
        filter: { credentialKind: kind },
        perMinute: null,
        stopAtFailurePercent: 5,
        overlapSeconds: 60,
        total: 3,
        rotated: 0,
        waiting: 3,
      });
      await fleet.offered(sites);
      for (const site of sites) expect(await fleet.take(site)).toBe(true);
      expect(await fleet.became(jobId, 'succeeded')).toMatchObject({
        asked: 3,
        rotated: 3,
        waiting: 0,
        failed: 0,
        gone: 0,
      });
      expect(await fleet.job(jobId)).toMatchObject({ kind: 'credentials.rotate', total: 3, done: 3, failed: 0 });
      expect(await fleet.outcomes(jobId)).toEqual(Object.fromEntries(sites.map((s) => [s.siteId, 'rotated'])));
      expect(await fleet.due()).toEqual([]);
      const [previous] = await fleet.sql<{ n: number }>(
        `SELECT count(*)::int AS n FROM site_credential WHERE org_id = $1 AND stage = 'previous' AND ends_at - now() BETWEEN interval '1 second' AND interval '60 seconds'`,
        [fleet.orgId],
      );
      expect(previous).toEqual({ n: 3 });
    },
  );

  it('names who cannot take one, who does not, and who is away; those that come later are counted too', async () => {
    const [agent, newt, older, device, away, gone] = [
      ...(await fleet.sites(1, 'newt')),
      ...(await fleet.sites(1, 'newt')),
      ...(await fleet.sites(1, 'newt')),
      ...(await fleet.sites(1, 'psk')),
      ...(await fleet.sites(1, 'newt')),
      ...(await fleet.sites(1, 'newt')),
    ] as const;
    await fleet.connect([agent!]);
    await fleet.connect([newt!], { client: 'newt', takes: false });
    await fleet.connect([gone!], { client: 'newt', takes: false, online: false });
    await fleet.connect([older!], { takes: false });
    const jobId = await fleet.rotate({}, { stopAtFailurePercent: 100 });
    await fleet.asked(jobId, 6);
    await fleet.offered([agent!], 16);
    await fleet.waited([agent!, newt!, older!, device!, away!, gone!], 20);
    expect(await fleet.became(jobId, 'succeeded')).toMatchObject({
      asked: 6,
      rotated: 0,
      cannotTake: 3,
      failed: 1,
      waiting: 2,
      gone: 0,
    });
    const { results, done, failed } = await fleet.job(jobId);
    expect([done, failed]).toEqual([6, 1]);
    expect(Object.fromEntries(results.map((r) => [r.item, [r.outcome, r.failed, r.message !== null]]))).toEqual({
      [agent!.siteId]: ['failed', true, true],
      [newt!.siteId]: ['cannot_take', false, true],
      [gone!.siteId]: ['cannot_take', false, true],
      [older!.siteId]: ['cannot_take', false, true],
      [device!.siteId]: ['waiting', false, true],
      [away!.siteId]: ['waiting', false, true],
    });
    // They stay asked, and come.
    expect(await fleet.due()).toHaveLength(6);
    for (const late of [agent!, device!]) expect(await fleet.take(late)).toBe(true);
    expect(await fleet.read(jobId)).toMatchObject({ rotated: 2, cannotTake: 3, failed: 0, waiting: 1, gone: 0 });
  });

  it('waits for those that are away for a minute, and for those that were handed one for as long as they are connected', async () => {
    const [here, away] = await fleet.sites(2, 'newt');
    await fleet.connect([here!]);
    const jobId = await fleet.rotate({});
    await fleet.asked(jobId, 2);
    await fleet.offered([here!], 10);
    const looks = async () =>
      (await fleet.sql<{ due: Date }>('SELECT due_at AS due FROM job WHERE job_id = $1', [jobId]))[0]!.due.getTime();
    const goesOn = async () => {
      const before = await looks();
      await until(async () => (await looks()) > before);
      expect((await fleet.read(jobId)).status).toBe('running');
    };
    await goesOn();
    await fleet.waited([here!, away!], 2);
    await goesOn();
    await fleet.take(here!);
    await fleet.became(jobId, 'succeeded');
    expect(await fleet.outcomes(jobId)).toEqual({ [here!.siteId]: 'rotated', [away!.siteId]: 'waiting' });
  });

  it('keeps its pace, a tenth of the sites per minute unless told otherwise', async () => {
    await fleet.sites(30);
    const jobId = await fleet.rotate({}, { perMinute: undefined });
    expect(await fleet.asked(jobId, 1)).toMatchObject({ perMinute: 3, total: 30, asked: 1 });
    const [row] = await fleet.sql<{ seconds: number }>(
      `SELECT extract(epoch FROM due_at - (SELECT max(requested_at) FROM credential_rotation r WHERE r.job_id = j.job_id))::float8 AS seconds FROM job j WHERE job_id = $1`,
      [jobId],
    );
    expect(row!.seconds).toBeCloseTo(20);
    await fleet.change(jobId, 'cancel');
  });

  it('stops by itself when too many fail; resumed, it goes on and forgives those', async () => {
    const sites = await fleet.sites(3);
    await fleet.connect(sites);
    const jobId = await fleet.rotate({}, { stopAtFailurePercent: 40 });
    await fleet.asked(jobId, 3);
    await fleet.take(sites[0]!);
    await fleet.offered([sites[1]!], 16);
    expect(await fleet.became(jobId, 'paused')).toMatchObject({
      rotated: 1,
      failed: 1,
      error: { code: 'stopped', message: '1 of 2 sites that answered have failed; the limit is 40 %' },
    });
    await fleet.change(jobId, 'resume');
    await fleet.take(sites[2]!);
    await fleet.waited([sites[1]!], 20);
    await fleet.became(jobId, 'succeeded');
    expect(await fleet.outcomes(jobId)).toEqual({
      [sites[0]!.siteId]: 'rotated',
      [sites[1]!.siteId]: 'failed',
      [sites[2]!.siteId]: 'rotated',
    });
  });

  it('is paused, resumed and cancelled as jobs are; who was asked stays asked', async () => {
    const sites = await fleet.sites(250);
    const jobId = await fleet.rotate({}, { perMinute: 60 });
    await fleet.asked(jobId, 1);
    await fleet.change(jobId, 'pause');
    const { asked } = await fleet.read(jobId);
    expect(await fleet.due()).toEqual(ids(sites).slice(0, asked));
    await fleet.take(sites[0]!);
    expect(await fleet.read(jobId)).toMatchObject({ status: 'paused', asked, rotated: 1 });
    await fleet.change(jobId, 'resume');
    await fleet.asked(jobId, asked + 1);
    await fleet.change(jobId, 'cancel');
    const cancelled = await fleet.read(jobId);
    expect(await fleet.due()).toEqual(ids(sites).slice(1, cancelled.asked));
  });

  it('asks each site once, however many servers take its steps', async () => {
    const sites = await fleet.sites(1_050);
    const jobId = await fleet.rotate({});
    await fleet.asked(jobId, 1_050);
    expect(await fleet.due()).toEqual(ids(sites));
    await fleet.sql('DELETE FROM credential_rotation WHERE job_id = $1 AND site_id <> ALL ($2)', [
      jobId,
      ids(sites.slice(0, 1_020)),
    ]);
    await fleet.waited(sites, 2);
    expect(await fleet.became(jobId, 'succeeded')).toMatchObject({ asked: 1_050, waiting: 1_020, gone: 30 });
    expect(await fleet.job(jobId)).toMatchObject({ done: 1_020, failed: 0 });
  });

  it('passes over sites that are deleted, revoked or asked anew meanwhile', async () => {
    const [deleted, revoked, anew, stays] = await fleet.sites(4);
    const jobId = await fleet.rotate({});
    await fleet.asked(jobId, 4);
    const { root } = servers[0]!;
    await root.expect('DELETE', `/site/${deleted!.siteId}`);
    await root.expect('POST', `/site/${revoked!.siteId}/revoke`, {});
    await root.expect('POST', `/site/${anew!.siteId}/rotate-credential`, {});
    expect(await fleet.read(jobId)).toMatchObject({ asked: 4, waiting: 1, gone: 3 });
    await fleet.take(anew!);
    await fleet.take(stays!);
    expect(await fleet.became(jobId, 'succeeded')).toMatchObject({ rotated: 1, waiting: 0, gone: 3 });
    expect(await fleet.outcomes(jobId)).toEqual({ [stays!.siteId]: 'rotated' });
  });

  it('ends with the right of who began it', async () => {
    await fleet.sites(50);
    const key = await servers[0]!.root.expect<{ apiKeyId: string; apiKey: string }>(
      'PUT',
      `/org/${fleet.orgId}/api-key`,
      {
        name: 'rotates',
      },
    );
    await servers[0]!.root.expect('POST', `/org/${fleet.orgId}/api-key/${key.apiKeyId}/actions`, {
      actionIds: ['updateSite'],
    });
    const api = servers[0]!.root.as(`${key.apiKeyId}.${key.apiKey}`);
    const jobId = await fleet.rotate({}, { perMinute: 600 }, api);
    expect((await api.get(`/org/${fleet.orgId}/credential-rotations`)).status).toBe(403);
    await fleet.asked(jobId, 1);
    await servers[0]!.root.expect('DELETE', `/org/${fleet.orgId}/api-key/${key.apiKeyId}`);
    expect(await fleet.became(jobId, 'failed')).toMatchObject({ error: { code: 'permission_denied' } });
  });

  it('hands agents at other servers their next credential', async () => {
    const [here, there] = servers as [StartedApp, StartedApp];
    const { provisioningKey, siteId, key } = await enrol(fleet.orgId);
    expect(provisioningKey).toBeTruthy();
    const { body } = await deviceToken(there.url, key);
    const session = await TestSession.connect(`${there.url.replace('http', 'ws')}/api/v1/ws`, body.data.token);
    await session.hello({ capabilities: ['credentials'] });
    const jobId = await fleet.rotate({ siteIds: [siteId] }, {}, here.root);
    const { data } = await session.message('agent/credential');
    const { api_key } = data['credential'] as { api_key: string };
    expect((await there.root.as(api_key).get('/device/self')).status).toBe(200);
    expect(await fleet.became(jobId, 'succeeded')).toMatchObject({ rotated: 1, waiting: 0 });
    const { events } = await here.root.expect<{ events: { type: string; siteId: number }[] }>(
      'GET',
      `/org/${fleet.orgId}/events?type=site.credential_rotated`,
    );
    expect(events.map((event) => event.siteId)).toEqual([siteId]);
    await session.close();
  });
});

async function enrol(orgId: string): Promise<{ provisioningKey: string; siteId: number; key: string }> {
  const { root, url } = servers[0]!;
  const { templateId } = await root.expect<{ templateId: number }>('PUT', `/org/${orgId}/provisioning-template`, {
    name: 't',
    hardwareIdPattern: '[0-9a-f-]{36}',
  });
  const { siteProvisioningKey } = await root.expect<{ siteProvisioningKey: string }>(
    'PUT',
    `/org/${orgId}/site-provisioning-key`,
    { name: 'k', templateId, maxBatchSize: 5, validUntil: new Date(Date.now() + 3_600_000).toISOString() },
  );
  const { body } = await provision(url, { provision_key: siteProvisioningKey });
  const [row] = await fleet.sql<{ id: number }>('SELECT site_id::int AS id FROM site WHERE device_id = $1', [
    body.device_id,
  ]);
  return { provisioningKey: siteProvisioningKey, siteId: row!.id, key: body.api_key };
}

describe('a filter', () => {
  const chosen = async (filter: object) => {
    const jobId = await fleet.rotate(filter);
    const { total } = await fleet.read(jobId);
    await fleet.asked(jobId, total);
    await fleet.change(jobId, 'cancel').catch(() => undefined);
    const due = await fleet.due();
    await fleet.sql('DELETE FROM credential_rotation WHERE org_id = $1', [fleet.orgId]);
    expect(due).toHaveLength(total);
    return due;
  };

  it('chooses by ids, labels, groups, template, profile, kind, authority and end; all of it combines', async () => {
    const { root } = servers[0]!;
    const [first, second] = await fleet.sites(2);
    const soon = new Date(Date.now() + 3_600_000);
    const [old, moved] = [
      ...(await fleet.sites(1, 'certificate', { expiresAt: soon, renewUntil: soon })),
      ...(await fleet.sites(1, 'certificate', { caId: 'ca-two' })),
    ] as const;
    // Without a credential, and revoked: nothing to rotate.
    const [bare, revoked] = await fleet.sites(2);
    await fleet.sql('DELETE FROM site_credential WHERE site_id = $1', [bare!.siteId]);
    await root.expect('POST', `/site/${revoked!.siteId}/revoke`, {});
    const { enrolled, templateId } = await enrolledUnderTemplate();
    expect(await chosen({})).toEqual([...ids([first!, second!, old!, moved!]), enrolled].sort((a, b) => a - b));
    expect(await chosen({ siteIds: [second!.siteId] })).toEqual([second!.siteId]);
    expect(await chosen({ credentialKind: 'certificate' })).toEqual(ids([old!, moved!]));
    expect(await chosen({ caId: 'ca-one' })).toEqual([old!.siteId]);
    expect(await chosen({ caId: 'ca-three' })).toEqual([]);
    expect(await chosen({ expiresBefore: new Date(Date.now() + 7_200_000).toISOString() })).toEqual([old!.siteId]);
    expect(await chosen({ templateId })).toEqual([enrolled]);
    await root.expect('POST', `/site/${first!.siteId}`, { labels: { line: 'a' } });
    expect(await chosen({ label: ['line=a'] })).toEqual([first!.siteId]);
    expect(await chosen({ label: ['line=a'], credentialKind: 'certificate' })).toEqual([]);
  });

  const enrolledUnderTemplate = async () => {
    const { siteId } = await enrol(fleet.orgId);
    const [row] = await fleet.sql<{ id: number }>('SELECT template_id::int AS id FROM site WHERE site_id = $1', [
      siteId,
    ]);
    return { enrolled: siteId, templateId: row!.id };
  };

  it('moves a fleet to the next certificate authority: asked again, it means those that did not move', async () => {
    const sites = await fleet.sites(3, 'certificate');
    const jobId = await fleet.rotate({ caId: 'ca-one' });
    await fleet.asked(jobId, 3);
    for (const site of sites.slice(0, 2)) {
      await fleet.take(site);
      await fleet.sql(`UPDATE site_credential SET ca_id = 'ca-two' WHERE credential_id = $1`, [site.credentialId]);
    }
    expect(await fleet.read(jobId)).toMatchObject({ rotated: 2, waiting: 1 });
    await fleet.change(jobId, 'cancel');
    expect(await chosen({ caId: 'ca-one' })).toEqual([sites[2]!.siteId]);
  });

  it('names nothing of another organization', async () => {
    const [mine] = await fleet.sites(1);
    const other = await makeFleet();
    const [theirs] = await other.sites(1);
    const { templateId } = await servers[0]!.root.expect<{ templateId: number }>(
      'PUT',
      `/org/${other.orgId}/provisioning-template`,
      { name: 't' },
    );
    const { root } = servers[0]!;
    for (const filter of [
      { siteIds: [mine!.siteId, theirs!.siteId] },
      { siteIds: [999_999_999] },
      { templateId },
      { profileId: 999_999_999 },
      { group: 'nobody' },
    ])
      expect((await root.post(`/org/${fleet.orgId}/credential-rotations`, { filter })).status).toBe(404);
    const jobId = await fleet.rotate({});
    await fleet.asked(jobId, 1);
    expect(await fleet.due()).toEqual([mine!.siteId]);
    expect(await other.due()).toEqual([]);
    expect(await other.list()).toEqual([]);
  });

  it.each([
    [{}, 'filter'],
    [{ filter: { siteIds: [] } }, 'siteIds'],
    [{ filter: { credentialKind: 'password' } }, 'credentialKind'],
    [{ filter: { expiresBefore: 'soon' } }, 'expiresBefore'],
    [{ filter: {}, overlapSeconds: 2_592_001 }, 'overlapSeconds'],
    [{ filter: {}, perMinute: 0 }, 'perMinute'],
  ])('that is wrong is refused by the name of its field: %j', async (body, field) => {
    const reply = await servers[0]!.root.post(`/org/${fleet.orgId}/credential-rotations`, body);
    expect(reply).toMatchObject({ status: 400, text: expect.stringContaining(field) });
  });
});
