import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LabelledContainer } from '#blueprint';
import { DocumentApplier } from '../../src/blueprints/document-applier.js';
import { LabelDocuments } from '../../src/blueprints/index.js';
import { blueprintCalls, domainOf, type Site, web } from '../support/blueprint-calls.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

// The labels of containers: one container never blocks the others, whatever refuses it.
let app: TestApp;
let orgId: string;
let here: Site;
const { org, site, send, apply, rows, history } = blueprintCalls(() => app);
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
beforeEach(async () => {
  orgId = await org();
  here = await site(orgId, 'here');
});

type Labels = Record<string, string>;
const container = (name: string, labels: Labels, ports = [80]): LabelledContainer => ({
  name,
  ports,
  labels: Object.fromEntries(Object.entries(labels).map(([label, value]) => [`pangolin.${label}`, value])),
});
/** A container that describes a resource of its own name. */
const service = (name: string, more: Labels = {}, key = name) =>
  container(name, {
    [`public-resources.${key}.name`]: name,
    [`public-resources.${key}.mode`]: 'http',
    [`public-resources.${key}.full-domain`]: domainOf(orgId, key),
    [`public-resources.${key}.targets[0].method`]: 'http',
    ...Object.fromEntries(Object.entries(more).map(([field, value]) => [`public-resources.${key}.${field}`, value])),
  });
const run = (...containers: LabelledContainer[]) =>
  app.get(LabelDocuments).applyContainers(orgId, here.siteId, containers);
const made = async () =>
  (await rows(orgId)).map((row) => `${row.key} ${row.targets ?? ''}`.replaceAll(`${here.siteId}@`, ''));

describe('a container that is refused', () => {
  it.each<[string, () => Labels | Promise<Labels>, RegExp]>([
    [
      'names a person who is no member',
      () => ({ 'auth.sso-enabled': 'true', 'auth.sso-users[0]': 'left@company.example' }),
      /^container "bu": public-resources.bu.auth.sso-users\[0\]: left@company.example is not a member/,
    ],
    ['has a name on no verified domain', () => ({ 'full-domain': 'bu.nobody.example' }), /not on a verified domain/],
    [
      'exposes what runs behind another site',
      async () => ({ 'targets[0].site': (await site(orgId, 'there')).niceId }),
      /^container "bu": public-resources.bu.targets\[0\].site: a site exposes what runs behind itself/,
    ],
    [
      'wants a name that an operator has given away',
      async () => {
        const taken = web({ 'full-domain': domainOf(orgId, 'taken'), targets: [] }, 'taken');
        expect((await apply(orgId, JSON.stringify(taken))).status).toBe(201);
        return { 'full-domain': domainOf(orgId, 'taken') };
      },
      /^container "bu": .*already in use by the public-resource taken/,
    ],
    [
      'has wrong labels',
      () => ({ nme: 'x' }),
      /^container "bu", label "pangolin.public-resources.bu.nme": .*did you mean "name"/,
    ],
    ['cannot be written', () => ({ name: 'Unwritable' }), /^container "bu": it cannot be applied/],
  ])('because it %s is named, and the others are made', async (_why, labels, problem) => {
    await app.sql(
      `CREATE OR REPLACE FUNCTION refuse_name() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF NEW.name = 'Unwritable' THEN RAISE check_violation; END IF; RETURN NEW; END $$`,
    );
    await app.sql(
      'CREATE OR REPLACE TRIGGER refuse_name BEFORE INSERT ON resource FOR EACH ROW EXECUTE FUNCTION refuse_name()',
    );
    const others = ['a', 'b', 'good3', 'z'].map((name) => service(name));
    const bad = service('bu', await labels());
    const outcome = await run(...others, bad);
    expect(outcome).toMatchObject({ ok: false, problems: [{ path: '', message: expect.stringMatching(problem) }] });
    expect(outcome.message).toContain('container "bu"');
    expect((await rows(orgId)).map((row) => row.key).filter((key) => key !== 'taken')).toEqual([
      'a',
      'b',
      'good3',
      'z',
    ]);
    // Said again it changes nothing, and is written down once.
    const before = await history(orgId);
    expect(await run(...others, bad)).toMatchObject({ ok: false });
    expect((await history(orgId)).length).toBe(before.length);
    expect(before.filter((row) => row === 'NEWT false')).toHaveLength(1);
    // The reason goes away.
    expect(await run(...others, service('bu'))).toMatchObject({ ok: true, problems: [] });
    expect((await rows(orgId)).map((row) => row.key)).toContain('bu');
  });

  it('keeps what it had, until it is gone', async () => {
    expect(await run(service('a'), service('b'))).toMatchObject({ ok: true });
    const refused = service('b', { name: 'Other', 'auth.sso-users[0]': 'left@company.example' });
    expect(await run(service('c'), refused)).toMatchObject({ ok: false });
    expect(await made()).toEqual(['b b:80', 'c c:80']);
    expect(await run(service('c'), container('b', { 'public-resorces.b.name': 'x' }))).toMatchObject({ ok: false });
    expect(await made()).toEqual(['b b:80', 'c c:80']);
    expect(await run(service('c'))).toMatchObject({ ok: true });
    expect(await made()).toEqual(['c c:80']);
  });

  it('takes no protection from a resource that others describe with it, and its targets stand in nobody’s way', async () => {
    const guard = (user: string) =>
      container('guard', {
        'public-resources.web.auth.sso-enabled': 'true',
        'public-resources.web.auth.sso-users[0]': user,
      });
    const outcome = await run(service('web'), guard('left@company.example'), service('other'));
    expect(outcome).toMatchObject({ ok: false });
    // It was never protected, so it is not made without what protects it.
    expect(await made()).toEqual(['other other:80']);
    const more = (path: string, site: string) =>
      container('more', {
        'public-resources.web.targets[1].method': 'http',
        'public-resources.web.targets[1].path': path,
        'public-resources.web.targets[1].site': site,
      });
    expect(await run(service('web'), more('/a', here.niceId))).toMatchObject({ ok: true });
    expect(await made()).toEqual(['web web:80 more:80']);
    const there = await site(orgId, 'there');
    const changed = service('web', { name: 'Renamed' });
    expect(await run(changed, more('/b', there.niceId))).toMatchObject({
      problems: [{ message: expect.stringMatching(/^container "more": .*targets\[1\].site/) }],
    });
    expect((await rows(orgId)).map((row) => row.name)).toEqual(['Renamed']);
    expect(await made()).toEqual(['web web:80 more:80']);
  });

  it('is one resource of a document whose agent does not name containers', async () => {
    const two = (more: object) => ({
      'public-resources': {
        ...web({ 'full-domain': domainOf(orgId, 'web') })['public-resources'],
        ...web({ 'full-domain': domainOf(orgId, 'bu'), ...more }, 'bu')['public-resources'],
      },
    });
    const left = { auth: { 'sso-enabled': true, 'sso-users': ['left@company.example'] } };
    expect(await send(orgId, here, 'labels', two(left))).toMatchObject({
      ok: false,
      problems: [{ path: 'public-resources.bu.auth.sso-users[0]' }],
    });
    expect((await rows(orgId)).map((row) => row.key)).toEqual(['web']);
    expect(await send(orgId, here, 'labels', two({}))).toMatchObject({ ok: true });
    expect((await rows(orgId)).map((row) => row.key)).toEqual(['bu', 'web']);
    // Only labels are many documents in one.
    expect(await send(orgId, await site(orgId), 'file', two(left))).toMatchObject({ ok: false });
  });
});

it('looks for what is refused without a place with a bounded number of attempts', async () => {
  const applier = app.get(DocumentApplier);
  const apply = applier.apply.bind(applier);
  // As when the organization has no address left: each is refused, and nothing says which.
  const attempts = vi.spyOn(applier, 'apply').mockImplementation(async (orgId, siteId, kind, model, options) => {
    if (model.publicResources.length === 0) return apply(orgId, siteId, kind, model, options);
    const problems = [{ path: '', message: 'no address left' }];
    return { outcome: { ok: false, message: 'refused', problems }, recordRefusal: async () => undefined };
  });
  try {
    const containers = Array.from({ length: 300 }, (_, i) => service(`c${i}`));
    const { ok, problems } = await run(...containers);
    expect(ok).toBe(false);
    expect(problems).toHaveLength(300);
    expect(new Set(problems.map(({ message }) => message.replace(/^container "c\d+": /, '')))).toEqual(
      new Set(['no address left', 'it was not tried, since too many others are refused']),
    );
    // With the first one and the one of what is left.
    expect(attempts.mock.calls.length).toBeLessThanOrEqual(202);
  } finally {
    attempts.mockRestore();
  }
});

it('leaves no trace of a machine without labels', async () => {
  expect(await run()).toMatchObject({ ok: true });
  expect(await app.sql('SELECT FROM blueprint_source WHERE site_id = $1', [here.siteId])).toEqual([]);
});
