import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Blueprint, environmentTemplates, type PublicResource, type Target, toDocument, toYaml } from '#blueprint';
import { SiteDocumentsService } from '../../src/blueprints/index.js';
import { asMade as madeBy, NOTHING, planOf, readBlueprint as read } from '../support/blueprint-plans.js';
import { anyBlueprint } from '../support/blueprints.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

// Any blueprint at all, through the database: applied, it is what is there; and what is there, written down, is the blueprint.

interface Site {
  siteId: number;
  niceId: string;
}
interface PlanBody {
  changes: object[];
  drift: object[];
}

const ORG = 'any';
const RUNS = 20;
let app: TestApp;
const asMade = (model: Blueprint) => madeBy(app, ORG, model);
const planned = (model: Blueprint, kind: 'file' | 'newt' | 'labels') => planOf(app, ORG, sites[0]!.siteId, kind, model);
let sites: Site[];
let members: string[];
let machines: string[];
beforeAll(async () => {
  app = await openTestApp();
  await app.makeOrg(ORG);
  sites = [];
  for (const name of ['one', 'two'])
    sites.push(await app.root.expect<Site>('PUT', `/org/${ORG}/site`, { name, type: 'newt' }));
  members = ['ada@example.org', 'bob@example.org', 'carol'];
  for (const name of members) {
    await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $1)', [
      name,
      name.includes('@') ? name : `${name}@example.org`,
    ]);
    await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [ORG, name]);
  }
  machines = [];
  for (const name of ['pump', 'press']) {
    const { olmId, olmSecret, subnet } = await app.root.expect<Record<string, string>>(
      'GET',
      `/org/${ORG}/pick-client-defaults`,
    );
    machines.push(
      (
        await app.root.expect<{ niceId: string }>('PUT', `/org/${ORG}/client`, {
          name,
          olmId,
          secret: olmSecret,
          subnet,
          type: 'olm',
        })
      ).niceId,
    );
  }
});
afterAll(() => app?.close());

const among = (words: string[], known: string[]) => [
  ...new Set(words.map((word) => known[word.length % known.length]!)),
];
/** Parsed, with the names of what is there in place of those that were made up; `refs`: what a site is called. */
function localised(model: Blueprint, refs: (word: string | null) => string | null): Blueprint {
  const domain = (name: string | null) => name?.replace(/example\.com$/, `${ORG}.localhost`) ?? null;
  const targets = (list: Target[]) => list.map((t) => ({ ...t, site: refs(t.site) }));
  return read(
    toYaml({
      sites: model.sites.slice(0, 1).map((s) => ({ ...s, key: sites[0]!.niceId })),
      publicResources: model.publicResources.map((entry) =>
        entry.targetsOnly
          ? { ...entry, targets: targets(entry.targets) }
          : {
              ...entry,
              fullDomain: domain(entry.fullDomain),
              targets: targets(entry.targets),
              auth: entry.auth && { ...entry.auth, ssoUsers: among(entry.auth.ssoUsers, members) },
            },
      ),
      privateResources: model.privateResources.map((entry) => ({
        ...entry,
        sites: [...new Set((entry.sites.length > 0 ? entry.sites : [null]).flatMap((word) => refs(word) ?? []))],
        // The organization's own subnets lie here.
        destination: entry.destination.replace(/^100\./, '101.'),
        fullDomain: domain(entry.fullDomain),
        users: among(entry.users, members),
        machines: among(entry.machines, machines),
      })),
    }),
  );
}

/** What the operator describes, for the entries that only add targets. */
async function describeOthers(model: Blueprint): Promise<void> {
  const keys = model.publicResources.flatMap((entry) => (entry.targetsOnly ? [entry.key] : []));
  if (keys.length === 0) return;
  const document = {
    publicResources: keys.map(
      (key, i): PublicResource => ({
        key,
        targetsOnly: false,
        name: 'Described elsewhere',
        mode: 'http',
        enabled: true,
        ssl: true,
        scheme: null,
        fullDomain: `base${i}.${ORG}.localhost`,
        proxyPort: null,
        proxyProtocol: false,
        proxyProtocolVersion: 1,
        hostHeader: null,
        tlsServerName: null,
        responseTimeoutSeconds: 60,
        staleSeconds: null,
        headers: null,
        targets: [],
        auth: null,
        rules: [],
        applyRules: false,
        maintenance: null,
        sitesMayAddTargets: { sites: [sites[0]!.niceId] },
      }),
    ),
    privateResources: [],
    sites: [],
  };
  expect((await put(toYaml(document))).status).toBe(201);
}
const put = (text: string, query = '') =>
  app.root.put<PlanBody>(`/org/${ORG}/blueprint${query}`, { blueprint: Buffer.from(text).toString('base64') });

/** The exported document with its templates as they are, and with the secrets of the document it came from. */
function withSecrets(contents: string, from: Blueprint): Blueprint {
  const open = read(contents, { namespaces: ['env'], resolve: () => undefined, open: true });
  const env: Record<string, string> = {};
  const keep = (template: string | null | undefined, secret: string | null | undefined) => {
    if (template) env[/^\{\{env\.(\w+)\}\}$/.exec(template)![1]!] = secret!;
  };
  for (const entry of open.publicResources) {
    // A key with braces of its own is exported as a template with the braces as its default.
    const key = entry.key.replaceAll(/\{\{env\.\w+ \| default "([^"]*)"\}\}/g, '$1');
    const original = from.publicResources.find((one) => one.key === key);
    if (entry.targetsOnly || !original || original.targetsOnly) continue;
    keep(entry.auth?.password, original.auth?.password);
    keep(entry.auth?.pincode, original.auth?.pincode);
    keep(entry.auth?.basicAuth?.password, original.auth?.basicAuth?.password);
  }
  return read(contents, environmentTemplates(env));
}

/** Without what a document can say in two ways, or says to nobody, and with lists in one order. */
function essence(model: Blueprint) {
  const sorted = (list: string[]) => [...list].sort();
  /** A document may name somebody by user name; an export has the address. */
  const people = (list: string[]) => sorted(list.map((name) => (name.includes('@') ? name : `${name}@example.org`)));
  const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
  const targets = (list: Target[], adds = false) =>
    list
      .map((t) =>
        // Without a method an HTTP resource speaks http: what adds targets need not say so.
        JSON.stringify({
          ...t,
          method: adds ? 'http' : t.method,
          site: null,
          internalPort: null,
          healthcheck: t.healthcheck && { ...t.healthcheck },
        }),
      )
      .sort();
  return {
    publicResources: model.publicResources
      .filter((e) => !e.targetsOnly || e.targets.length > 0)
      .map((entry) => {
        if (entry.targetsOnly) return { key: entry.key, targets: targets(entry.targets, true) };
        const { auth, maintenance, rules } = entry;
        const idle =
          maintenance &&
          !maintenance.enabled &&
          maintenance.type === 'forced' &&
          (maintenance.title ?? maintenance.message ?? maintenance.estimatedTime) === null;
        const open =
          auth &&
          !auth.ssoEnabled &&
          !auth.whitelistEnabled &&
          (auth.password ?? auth.pincode ?? auth.basicAuth) === null &&
          auth.ssoRoles.length + auth.ssoUsers.length + auth.whitelistUsers.length === 0;
        return {
          ...entry,
          scheme: null,
          targets: targets(entry.targets),
          maintenance: idle ? null : maintenance,
          rules: rules.map((r) => JSON.stringify(r)).sort(),
          auth:
            auth && !open
              ? {
                  ...auth,
                  ssoRoles: sorted(auth.ssoRoles),
                  ssoUsers: people(auth.ssoUsers),
                  whitelistUsers: sorted(auth.whitelistUsers),
                }
              : null,
        };
      })
      .sort(byKey),
    privateResources: model.privateResources
      .map((entry) => ({
        ...entry,
        sites: [],
        roles: sorted(entry.roles),
        users: people(entry.users),
        machines: sorted(entry.machines),
      }))
      .sort(byKey),
  };
}

/** What stays of the document before: maintenance, of what says nothing about it. */
function carried(before: Blueprint, now: Blueprint): Blueprint {
  const publicResources = now.publicResources.map((entry) => {
    const old = before.publicResources.find((one) => one.key === entry.key);
    if (entry.targetsOnly || !old || old.targetsOnly || entry.mode !== 'http') return entry;
    return { ...entry, maintenance: entry.maintenance ?? old.maintenance };
  });
  return { ...now, publicResources };
}

const counts = async () =>
  (
    await app.sql<{ publics: number; privates: number; targets: number; rules: number }>(
      `SELECT (SELECT count(*) FROM resource JOIN resource_declaration USING (resource_id)) AS publics, (SELECT count(*) FROM site_resource) AS privates,
       (SELECT count(*) FROM target) AS targets, (SELECT count(*) FROM resource_rule) AS rules`,
    )
  )[0];
async function clear(): Promise<void> {
  await app.sql('DELETE FROM resource');
  await app.sql(`DELETE FROM role WHERE NOT is_admin AND name <> 'Member'`);
  await app.sql('DELETE FROM site_resource');
  await app.sql('DELETE FROM blueprint_source');
  await app.sql(`UPDATE site SET status = 'approved', docker_socket_enabled = true`);
}

describe('any blueprint', () => {
  it('of a site: applied once it has nothing left to do, and what it made is the document again', async () => {
    const service = app.get(SiteDocumentsService);
    const from = fc.record({
      model: anyBlueprint,
      kind: fc.constantFrom('file' as const, 'newt' as const, 'labels' as const),
      waiting: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(from, async ({ model: any, kind, waiting }) => {
        await clear();
        const { siteId } = sites[0]!;
        // Whatever a site is called in its own document can only be itself; but for the other one.
        const local = localised(any, (word) => (word === 'two' || word === sites[1]!.niceId ? null : word));
        // Labels say nothing about sites, and a site may not want labels.
        if (kind === 'labels') local.sites = [];
        const model = waiting
          ? { ...local, publicResources: local.publicResources.filter((entry) => !entry.targetsOnly) }
          : local;
        await describeOthers(model);
        if (waiting) await app.root.expect('POST', `/site/${siteId}`, { status: 'pending' });
        expect(await service.applyFromSite(ORG, siteId, kind, JSON.stringify(toDocument(model)))).toMatchObject({
          ok: true,
        });
        expect(await planned(model, kind)).toEqual(NOTHING);
        const { contents } = await app.root.expect<{ contents: string }>(
          'GET',
          `/site/${siteId}/blueprint?kind=${kind}`,
        );
        const exported = withSecrets(contents, model);
        expect(await planned(exported, kind)).toEqual(NOTHING);
        expect(essence(exported)).toEqual(essence(model));
        if (waiting) {
          await app.root.expect('POST', `/site/${siteId}`, { status: 'approved' });
          expect(await planned(model, kind)).toEqual(NOTHING);
          expect(await planned(exported, kind)).toEqual(NOTHING);
        }
        expect(await service.applyFromSite(ORG, siteId, kind, '{}')).toMatchObject({ ok: true });
        expect(await counts()).toEqual({ publics: 0, privates: 0, targets: 0, rules: 0 });
      }),
      { numRuns: RUNS },
    );
  });

  it('of the operator: applied once it has nothing left to do', async () => {
    await fc.assert(
      fc.asyncProperty(anyBlueprint, async (any) => {
        await clear();
        const model = localised(any, (word) => sites[(word ?? '').length % 2]!.niceId);
        await describeOthers(model);
        const text = toYaml(model);
        expect(await put(text)).toMatchObject({ status: 201 });
        expect((await put(text, '?dryRun=true')).body.data).toEqual({ changes: [], drift: [] });
      }),
      { numRuns: RUNS },
    );
  });

  it('of a site: from any one to any other, with nothing left over', async () => {
    const service = app.get(SiteDocumentsService);
    await fc.assert(
      fc.asyncProperty(anyBlueprint, anyBlueprint, async (one, other) => {
        await clear();
        // The same few keys, so that the second one changes what the first one made.
        const numbered = <T extends { key: string }>(entries: T[]) =>
          entries.map((entry, i) => ({ ...entry, key: `k${i}` }));
        const self = (model: Blueprint) =>
          localised(
            {
              sites: [],
              publicResources: numbered(model.publicResources).filter((entry) => !entry.targetsOnly),
              privateResources: numbered(model.privateResources),
            },
            () => null,
          );
        const [first, then] = [self(one), self(other)];
        expect(
          await service.applyFromSite(ORG, sites[0]!.siteId, 'file', JSON.stringify(toDocument(first))),
        ).toMatchObject({ ok: true });
        const between = await planned(then, 'file');
        const outcome = await service.applyFromSite(ORG, sites[0]!.siteId, 'file', JSON.stringify(toDocument(then)));
        expect(outcome.ok).toBe(between.problems.length === 0);
        const now = outcome.ok ? carried(first, then) : first;
        expect(await planned(outcome.ok ? then : first, 'file')).toEqual(NOTHING);
        const { contents } = await app.root.expect<{ contents: string }>('GET', `/site/${sites[0]!.siteId}/blueprint`);
        const exported = withSecrets(contents, now);
        expect(await planned(exported, 'file')).toEqual(NOTHING);
        expect(essence(exported)).toEqual(essence(await asMade(now)));
      }),
      { numRuns: RUNS },
    );
  });
});
