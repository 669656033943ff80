// The rules are those of docs/instances.md §1.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Action } from '#contracts';
import { BootstrapsService } from '../../src/instances/index.js';
import { TestOrg } from '../support/api.js';
import { secretValue } from '../support/secret-values.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
});
afterAll(() => app?.close());

const newProfile = async (of = org) =>
  (await app.root.expect<{ profileId: number }>('PUT', of.path('provisioning-profile'), { name: randomUUID() }))
    .profileId;
const path = (profileId: number, rest = '', of = org) => of.path(`provisioning-profile/${profileId}/bootstrap${rest}`);
interface Saved {
  revision: number;
  rollout: { jobId: number } | null;
  warnings: { path: string; message: string; line: number; column: number }[];
}
interface Plan {
  currentRevision: number | null;
  diff: string;
  sites: { total: number; sites: { siteId: number; niceId: string; name: string }[] };
  warnings: Saved['warnings'];
}
interface View {
  revision: number;
  currentRevision: number | null;
  settledRevision: number | null;
  document: string;
  createdBy: string;
}
const save = (profileId: number, document: string, api = app.root) => api.put<Saved>(path(profileId), { document });
const saved = async (profileId: number, document: string) => {
  const reply = await save(profileId, document);
  expect([reply.status, reply.body.message]).toEqual([201, 'Bootstrap saved successfully']);
  return reply.body.data;
};
const plan = (profileId: number, document: string, api = app.root) =>
  api.put<Plan>(path(profileId, '?dryRun=true'), { document });
const current = (profileId: number) => app.root.expect<View>('GET', path(profileId));
const profileOf = (profileId: number) =>
  app.root.expect<{ bootstrapRevision: number | null }>('GET', org.path(`provisioning-profile/${profileId}`));
async function secret(name = `S_${randomUUID().replace(/-/g, '_').toUpperCase()}`, body: object = {}, of = org) {
  await app.root.expect('PUT', of.path('secret'), { name, value: secretValue('a value of a secret'), ...body });
  return name;
}
async function site(profileId: number, labels: object = {}): Promise<number> {
  const { siteId } = await app.root.expect<{ siteId: number }>('PUT', org.path('site'), { name: 'site', type: 'newt' });
  await app.root.expect('POST', `/site/${siteId}`, { profileId, labels });
  return siteId;
}
const rows = async (profileId: number) => {
  const [row] = await app.sql(
    `SELECT (SELECT jsonb_agg(b) FROM bootstrap b WHERE profile_id = $1) AS bootstrap, (SELECT jsonb_agg(r ORDER BY revision) FROM bootstrap_revision r WHERE profile_id = $1) AS revisions,
       (SELECT jsonb_agg(s) FROM bootstrap_secret s WHERE profile_id = $1) AS secrets, (SELECT count(*) FROM audit WHERE org_id = $2) AS audits, (SELECT count(*) FROM job WHERE org_id = $2) AS jobs`,
    [profileId, org.orgId],
  );
  return row;
};
const audits = (profileId: number) =>
  app.sql(
    `SELECT action, details FROM audit WHERE target_type = 'provisioning_profile' AND target_id = $1 AND action LIKE 'bootstrap.%' ORDER BY audit_id`,
    [String(profileId)],
  );

describe('a bootstrap is saved', () => {
  it('as a revision, which the profile says, and is read as it was written', async () => {
    const profileId = await newProfile();
    expect((await app.root.get(path(profileId))).status).toBe(404);
    expect((await profileOf(profileId)).bootstrapRevision).toBeNull();
    const name = await secret();
    const document = `# what it is for\nenv: { A: "{{secret.${name} | uri}}" }\n`;
    expect(await saved(profileId, document)).toEqual({ profileId, revision: 1, rollout: null, warnings: [] });
    const reply = await app.root.get<View>(path(profileId));
    expect(reply.headers.get('etag')).toBe('"1"');
    expect(reply.body.data).toMatchObject({ revision: 1, currentRevision: 1, settledRevision: 1, document });
    expect((await profileOf(profileId)).bootstrapRevision).toBe(1);
    expect((await saved(profileId, '{}')).revision).toBe(2);
    const list = await app.root.expect<{ revisions: object[] }>('GET', path(profileId, '/revisions'));
    expect(list.revisions).toMatchObject([
      { revision: 2, current: true, secrets: [] },
      { revision: 1, current: false, secrets: [name] },
    ]);
    expect((await app.root.expect<View>('GET', path(profileId, '?revision=1'))).document).toBe(document);
    expect((await app.root.get(path(profileId, '?revision=3'))).status).toBe(404);
    expect(await audits(profileId)).toEqual([
      { action: 'bootstrap.save', details: { revision: 1 } },
      { action: 'bootstrap.save', details: { revision: 2 } },
    ]);
  });

  it.each(['application/yaml', 'text/yaml', 'application/x-yaml'])('as the body itself, %s', async (type) => {
    const profileId = await newProfile();
    const api = app.root.as(app.root.authorization, { 'content-type': type });
    const document = 'env: { A: "ü {{label.a}}" } # as it is\n';
    const reply = await api.put<Saved>(path(profileId, '?canary=3&perMinute=0'), document);
    expect([reply.status, reply.body.data.revision]).toEqual([201, 1]);
    expect((await current(profileId)).document).toBe(document);
  });

  it('not again when it is the same, whatever the settings', async () => {
    const profileId = await newProfile();
    await saved(profileId, 'env: { A: a }\n');
    const again = await save(profileId, 'env: { A: a }\n');
    expect(again.body).toMatchObject({ message: 'The bootstrap is this document already', data: { revision: 1 } });
    expect(await audits(profileId)).toHaveLength(1);
    expect((await saved(profileId, 'env: { A: a } # now\n')).revision).toBe(2);
  });

  it('by many at once without a gap', async () => {
    const profileId = await newProfile();
    const replies = await Promise.all(Array.from({ length: 12 }, (_, i) => save(profileId, `env: { N: "${i}" }\n`)));
    expect(replies.map(({ status }) => status)).toEqual(Array(12).fill(201));
    const revisions = replies.map(({ body }) => body.data.revision).sort((a, b) => a - b);
    expect(revisions).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    const last = replies.findIndex(({ body }) => body.data.revision === 12);
    expect((await current(profileId)).document).toBe(`env: { N: "${last}" }\n`);
  });

  it('when nobody has changed it since it was read', async () => {
    const profileId = await newProfile();
    const at = (version: number) => app.root.as(app.root.authorization, { 'if-match': `"${version}"` });
    expect((await save(profileId, 'env: { A: a }\n', at(1))).status).toBe(412);
    expect((await save(profileId, 'env: { A: a }\n', at(0))).status).toBe(201);
    const both = await Promise.all(['b', 'c'].map((value) => save(profileId, `env: { A: ${value} }\n`, at(1))));
    expect(both.map(({ status }) => status).sort()).toEqual([201, 412]);
    expect((await plan(profileId, '{}', at(1))).status).toBe(412);
    expect((await at(1).delete(path(profileId))).status).toBe(412);
    expect((await at(1).post(path(profileId, '/revert'), { revision: 1 })).status).toBe(412);
    expect((await at(2).delete(path(profileId))).status).toBe(200);
  });

  it('once for one Idempotency-Key', async () => {
    const profileId = await newProfile();
    const api = app.root.as(app.root.authorization, { 'idempotency-key': randomUUID() });
    const replies = [await save(profileId, 'env: { A: a }\n', api), await save(profileId, 'env: { A: a }\n', api)];
    expect(replies.map(({ status, body }) => [status, body.data.revision])).toEqual([
      [201, 1],
      [201, 1],
    ]);
    expect(replies[1]!.headers.get('idempotency-replayed')).toBe('true');
    expect((await save(profileId, 'env: { A: b }\n', api)).status).toBe(409);
  });
});

describe('a bootstrap is refused', () => {
  it('with every problem and its place', async () => {
    const profileId = await newProfile();
    const reply = await save(
      profileId,
      'env:\n  PATH: x\n  A: "{{secrets.A}}"\nfiles:\n  - { path: ../a, content: "" }\n',
    );
    expect([reply.status, reply.body.code]).toEqual([400, 'validation']);
    expect((reply.body as unknown as { fields: object[] }).fields).toEqual([
      { path: 'env.PATH', problem: 'PATH is reserved: it decides which programs are found (line 2, column 3)' },
      { path: 'env.A', problem: expect.stringMatching(/did you mean secret\? \(line 3, column 7\)$/) },
      { path: 'files[0].path', problem: expect.stringMatching(/must not leave the folder .* \(line 5, column 13\)$/) },
    ]);
    expect((await app.root.get(path(profileId))).status).toBe(404);
  });

  it('when it is too large, in whatever body', async () => {
    const profileId = await newProfile();
    const document = `env: { A: a } #${'x'.repeat(256 * 1024)}`;
    const yaml = app.root.as(app.root.authorization, { 'content-type': 'application/yaml' });
    for (const reply of [await save(profileId, document), await yaml.put(path(profileId), document)])
      expect([reply.status, reply.body.message]).toEqual([400, expect.stringMatching(/at most 262144 are read/)]);
    const fits = `env: { A: a } #${'x'.repeat(256 * 1024 - 15)}`;
    expect((await yaml.put(path(profileId), fits)).status).toBe(201);
    expect((await app.root.put(path(profileId), {})).body.message).toMatch(/document is required/);
  });

  it('when aliases would cost too much, from a thread', async () => {
    const bomb = `config:\n  a0: &a0 [x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 20 }, (_, i) => `  a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`).join('\n')}`;
    const reply = await save(await newProfile(), bomb);
    expect([reply.status, reply.body.message]).toEqual([400, expect.stringMatching(/aliases written out/)]);
  });

  it('when it names a secret that is not there, and says which one may be meant', async () => {
    const profileId = await newProfile();
    await secret(`DATABASE_PASSWORD_${profileId}`);
    const document = `env:\n  A: "{{secret.DATABASE_PASWORD_${profileId}}}"\n`;
    for (const reply of [await save(profileId, document), await plan(profileId, document)])
      expect((reply.body as unknown as { fields: object[] }).fields).toEqual([
        {
          path: 'env.A',
          problem: `there is no secret DATABASE_PASWORD_${profileId}; did you mean DATABASE_PASSWORD_${profileId}? (line 2, column 7)`,
        },
      ]);
  });

  it("by a secret of another organization alone, which is nobody's here", async () => {
    const name = await secret(undefined, {}, await TestOrg.create(app.root));
    const reply = await save(await newProfile(), `env: { A: "{{secret.${name}}}" }\n`);
    expect([reply.status, reply.body.message]).toEqual([400, expect.stringMatching(/there is no secret/)]);
    expect(reply.body.message).not.toContain('did you mean');
  });

  it('to who may not use secrets, and for profiles that a secret is not for', async () => {
    const [profileId, other] = [await newProfile(), await newProfile()];
    const name = await secret(undefined, { profileIds: [other] });
    const document = `env: { A: "{{secret.${name}}}" }\n`;
    const bare = await app.orgKey(org.orgId, 'updateProvisioningProfile', 'getProvisioningProfile');
    const full = await app.orgKey(org.orgId, 'updateProvisioningProfile', 'useSecret');
    for (const act of [save, plan]) {
      expect((await act(other, document, bare)).body.message).toContain('useSecret');
      expect((await act(profileId, document, full)).body.message).toBe(`The secret ${name} is not for this profile`);
    }
    expect((await save(other, document, full)).status).toBe(201);
    // Without secrets nobody needs it, also to take a secret out; to go back to it one does.
    expect((await save(other, '{}', bare)).status).toBe(201);
    expect((await bare.post(path(other, '/revert'), { revision: 1 })).status).toBe(403);
    expect((await full.post(path(other, '/revert'), { revision: 1 })).status).toBe(201);
  });

  it('to others', async () => {
    const profileId = await newProfile();
    await saved(profileId, '{}');
    const reader = await app.orgKey(org.orgId, 'getProvisioningProfile' satisfies Action);
    expect((await save(profileId, 'env: {}', reader)).status).toBe(403);
    expect((await reader.delete(path(profileId))).status).toBe(403);
    expect((await reader.get(path(profileId))).status).toBe(200);
    const other = await TestOrg.create(app.root);
    expect((await app.root.get(path(profileId, '', other))).status).toBe(404);
  });
});

describe('a dry run', () => {
  it('says what would change and for whom, and writes nothing', async () => {
    const profileId = await newProfile();
    await saved(profileId, 'env:\n  A: a\n  B: b\n');
    const siteId = await site(profileId, { zone: 'z' });
    await site(profileId);
    const name = await secret();
    const before = await rows(profileId);
    const document = `env:\n  A: "http://x/{{secret.${name}}}"\n  B: b\n  C: '{{label.zone}}{{label.other | default "o"}}{{site.hardwareId}}'\n`;
    const { status, body } = await plan(profileId, document);
    expect([status, body.message]).toEqual([200, 'Bootstrap planned; nothing was changed']);
    expect(body.data).toEqual({
      currentRevision: 1,
      diff: `--- revision 1\n+++ this document\n@@ -1,3 +1,4 @@\n env:\n-  A: a\n+  A: "http://x/{{secret.${name}}}"\n   B: b\n+  C: '{{label.zone}}{{label.other | default "o"}}{{site.hardwareId}}'\n`,
      sites: { total: 2, sites: [expect.objectContaining({ siteId, name: 'site' }), expect.anything()] },
      warnings: [
        expect.objectContaining({ path: 'env.A', line: 2, column: 16 }),
        { path: 'env.C', message: 'one site has no label zone, and cannot get this document', line: 4, column: 7 },
        { path: 'env.C', message: '2 sites have no hardwareId, and cannot get this document', line: 4, column: 50 },
      ],
    });
    expect(await rows(profileId)).toEqual(before);
    expect((await plan(profileId, 'env:\n  A: a\n  B: b\n')).body.data.diff).toBe('');
    expect((await plan(await newProfile(), '{}')).body.data).toMatchObject({
      currentRevision: null,
      diff: expect.stringContaining('--- /dev/null'),
    });
  });
});

describe('a changed bootstrap', () => {
  it('is brought to the sites of the profile, and settled where there are none', async () => {
    const profileId = await newProfile();
    await saved(profileId, 'env: { A: a }\n');
    expect((await current(profileId)).settledRevision).toBe(1);
    await site(profileId);
    const yaml = app.root.as(app.root.authorization, { 'content-type': 'application/yaml' });
    const answers = [
      await app.root.expect<Saved>('PUT', path(profileId), { document: '{}', rollout: { canary: 2, perMinute: null } }),
      await yaml.expect<Saved>('PUT', path(profileId, '?perMinute=0&stopAtFailurePercent=10'), 'env: {}'),
      await app.root.expect<Saved>('POST', path(profileId, '/revert'), { revision: 1, rollout: { perMinute: 7 } }),
      await app.root.expect<Saved>('DELETE', path(profileId, '?canary=0')),
    ];
    const jobs = await app.sql<{ input: object }>('SELECT input FROM job WHERE job_id = ANY ($1) ORDER BY job_id', [
      answers.map(({ rollout }) => rollout!.jobId),
    ]);
    const change = (revision: number | null) => ({ kind: 'bootstrap', profileId, revision });
    expect(jobs.map(({ input }) => input)).toEqual([
      { change: change(2), canary: 2, perMinute: null, stopAtFailurePercent: 5 },
      { change: change(3), canary: 1, perMinute: null, stopAtFailurePercent: 10 },
      { change: change(4), canary: 1, perMinute: 7, stopAtFailurePercent: 5 },
      { change: change(null), canary: 0, perMinute: 1, stopAtFailurePercent: 5 },
    ]);
  });

  it('goes back as a new revision', async () => {
    const profileId = await newProfile();
    for (const value of ['a', 'b']) await saved(profileId, `env: { A: ${value} }\n`);
    const reply = await app.root.post<Saved>(path(profileId, '/revert'), { revision: 1 });
    expect([reply.status, reply.body.data.revision, reply.headers.get('etag')]).toEqual([201, 3, '"3"']);
    expect((await current(profileId)).document).toBe('env: { A: a }\n');
    expect((await app.root.post<Saved>(path(profileId, '/revert'), { revision: 1 })).body.data.revision).toBe(3);
    expect((await app.root.post(path(profileId, '/revert'), { revision: 4 })).status).toBe(404);
    expect((await audits(profileId)).at(-1)).toEqual({ action: 'bootstrap.revert', details: { revision: 3, of: 1 } });
  });

  it('does not go back to a secret that is gone', async () => {
    const profileId = await newProfile();
    const name = await secret();
    await saved(profileId, `env: { A: "{{secret.${name}}}" }\n`);
    await saved(profileId, '{}');
    await app.root.expect('DELETE', org.path(`secret/${name}?force=true`));
    const reply = await app.root.post(path(profileId, '/revert'), { revision: 1 });
    expect([reply.status, reply.body.message]).toEqual([400, expect.stringContaining(`there is no secret ${name}`)]);
  });

  it('is deleted, goes on being readable by its number, and counts on when there is one again', async () => {
    const profileId = await newProfile();
    for (const value of ['a', 'b']) await saved(profileId, `env: { A: ${value} }\n`);
    await app.root.expect('DELETE', path(profileId));
    expect((await app.root.get(path(profileId))).status).toBe(404);
    expect((await app.root.delete(path(profileId))).status).toBe(404);
    expect((await profileOf(profileId)).bootstrapRevision).toBeNull();
    expect(await app.root.expect<View>('GET', path(profileId, '?revision=2'))).toMatchObject({ currentRevision: null });
    expect((await plan(profileId, '{}')).body.data.currentRevision).toBeNull();
    expect((await saved(profileId, 'env: { A: b }\n')).revision).toBe(3);
    expect((await current(profileId)).settledRevision).toBe(3);
  });

  it('has a thousand revisions at most, and those that sites have', async () => {
    const profileId = await newProfile();
    await app.sql(
      `INSERT INTO bootstrap_revision (profile_id, revision, org_id, document, created_by) SELECT $1, n, $2, '{}', 'test' FROM generate_series(1, 1004) n`,
      [profileId, org.orgId],
    );
    await app.sql('INSERT INTO bootstrap VALUES ($1, $2, 1004, 2)', [profileId, org.orgId]);
    const inputs = (revision: number) => JSON.stringify({ profileId, revision, secrets: {}, site: {}, labels: {} });
    const siteId = await site(profileId);
    await app.sql(
      `INSERT INTO site_bundle (site_id, org_id, version, inputs, state, applied_inputs) VALUES ($1, $2, 5, $3, 'offered', $4)
       ON CONFLICT (site_id) DO UPDATE SET version = excluded.version, inputs = excluded.inputs, state = excluded.state, applied_inputs = excluded.applied_inputs`,
      [siteId, org.orgId, inputs(3), inputs(1)],
    );
    expect((await saved(profileId, 'env: {}')).revision).toBe(1005);
    const left = await app.sql<{ revision: number }>(
      'SELECT revision FROM bootstrap_revision WHERE profile_id = $1 ORDER BY revision LIMIT 5',
      [profileId],
    );
    // The newest thousand begin with 6; 2 is settled, 1 and 3 are those of the site.
    expect(left.map(({ revision }) => revision)).toEqual([1, 2, 3, 6, 7]);
  });

  it('is kept in no audit row', async () => {
    const profileId = await newProfile();
    const mark = randomUUID();
    await saved(profileId, `env: { A: ${mark} }\n`);
    expect(await app.sql('SELECT FROM audit WHERE audit::text LIKE $1', [`%${mark}%`])).toEqual([]);
  });
});

describe('as a model', () => {
  it('each revision is itself, and the same object every time', async () => {
    const profileId = await newProfile();
    for (const value of ['a', 'b']) await saved(profileId, `env: { A: ${value} }\n`);
    const service = app.get(BootstrapsService);
    const one = await service.revision(app.db.manager, profileId, 1);
    expect(one.env).toEqual([{ name: 'A', value: ['a'] }]);
    expect((await service.revision(app.db.manager, profileId, 2)).env).toEqual([{ name: 'A', value: ['b'] }]);
    expect(await service.revision(app.db.manager, profileId, 1)).toBe(one);
    await expect(service.revision(app.db.manager, profileId, 3)).rejects.toThrow('not found');
  });

  it('is not kept from a transaction that may not come to be', async () => {
    const profileId = await newProfile();
    const service = app.get(BootstrapsService);
    const insert = `INSERT INTO bootstrap_revision (profile_id, revision, org_id, document, created_by) VALUES ($1, 1, $2, 'env: { A: never }', 'test')`;
    await expect(
      app.db.tx(async (tx) => {
        await tx.query(insert, [profileId, org.orgId]);
        expect((await service.revision(tx, profileId, 1)).env).toHaveLength(1);
        throw new Error('undone');
      }),
    ).rejects.toThrow('undone');
    await saved(profileId, '{}');
    expect((await service.revision(app.db.manager, profileId, 1)).env).toEqual([]);
  });
});

describe('a profile', () => {
  it('says whether bundles must be sealed, and what a clone leads to', async () => {
    const profileId = await newProfile();
    const at = org.path(`provisioning-profile/${profileId}`);
    expect(await app.root.expect('GET', at)).toMatchObject({ sealed: 'required', onClone: 'alert' });
    const changed = await app.root.expect('POST', at, { sealed: 'when_possible', onClone: 'hold' });
    expect(changed).toMatchObject({ sealed: 'when_possible', onClone: 'hold' });
    for (const body of [{ sealed: 'never' }, { onClone: null }, { sealed: null }])
      expect((await app.root.post(at, body)).status).toBe(400);
    const made = await app.root.expect('PUT', org.path('provisioning-profile'), {
      name: randomUUID(),
      onClone: 'hold',
    });
    expect(made).toMatchObject({ sealed: 'required', onClone: 'hold', bootstrapRevision: null });
  });
});
