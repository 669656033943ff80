import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SiteDocumentsService } from '../../src/blueprints/index.js';
import { blueprintCalls, domainOf, type Site, web } from '../support/blueprint-calls.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

// The documents of a newt: both of its files come on the session of its claim, and its blueprint file alone on later ones.
let app: TestApp;
const { org, site, apply, rows, privates } = blueprintCalls(() => app);
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

type Keys = string[];

/** A document of public resources with these keys; one that begins with `p-` is private. */
const documentOf = (orgId: string, keys: Keys, more: object = {}) => ({
  'public-resources': Object.assign(
    {},
    ...keys
      .filter((key) => !key.startsWith('p-'))
      .map((key) => web({ 'full-domain': domainOf(orgId, key), ...more }, key)['public-resources']),
  ),
  'private-resources': Object.fromEntries(
    keys
      .filter((key) => key.startsWith('p-'))
      .map((key) => [key, { name: key, mode: 'host', destination: 'localhost' }]),
  ),
});

/** Sends documents, the first of them on the session of the claim. @returns what is there then, and what of it a document still declares */
async function result(onClaim: Keys[], later: Keys[]) {
  const orgId = await org();
  const one = await site(orgId);
  await sendAll(orgId, one, onClaim, later);
  return left(orgId);
}

async function sendAll(orgId: string, { siteId }: Site, onClaim: Keys[], later: Keys[]) {
  const documents = app.get(SiteDocumentsService);
  const outcomes = [];
  for (const [claiming, list] of [
    [true, onClaim],
    [false, later],
  ] as const)
    for (const keys of list) {
      const text = JSON.stringify(documentOf(orgId, keys));
      outcomes.push(await documents.applyFromSite(orgId, siteId, 'newt', text, claiming));
    }
  expect(outcomes.filter((outcome) => !outcome.ok)).toEqual([]);
}

async function left(orgId: string) {
  const keys = [...(await rows(orgId)), ...(await privates(orgId))].map((row) => row.key).sort();
  const owned = await app.sql<{ key: string }>(
    `SELECT r.nice_id AS key FROM resource r JOIN resource_declaration USING (resource_id) WHERE r.org_id = $1
     UNION SELECT r.nice_id FROM site_resource r JOIN site_resource_declaration USING (site_resource_id) WHERE r.org_id = $1 ORDER BY 1`,
    [orgId],
  );
  return { keys, operators: keys.filter((key) => !owned.some((one) => one.key === key)) };
}

describe('a document on a later session than the claim', () => {
  it('is the blueprint file: what disappears from it is removed', async () => {
    expect(await result([], [['a', 'b', 'p-c'], ['a']])).toEqual({ keys: ['a'], operators: [] });
    expect(await result([], [['a', 'p-c'], []])).toEqual({ keys: [], operators: [] });
  });

  it('removes what the same file said on the session of the claim, also after changes there', async () => {
    expect(await result([['a', 'b']], [['a']])).toEqual({ keys: ['a'], operators: [] });
    expect(await result([['a', 'b']], [[]])).toEqual({ keys: [], operators: [] });
    expect(await result([['a', 'b'], ['a', 'c'], ['d'], ['e']], [['e']])).toEqual({ keys: ['e'], operators: [] });
    // The only entry was renamed while the newt was connected.
    expect(await result([['a'], ['b']], [['b']])).toEqual({ keys: ['b'], operators: [] });
  });
});

it('of Gatehouse’s agent removes what it no longer names, also on the session of the claim', async () => {
  const orgId = await org();
  const { siteId } = await site(orgId);
  for (const keys of [['a', 'p-c'], ['a'], []]) {
    const text = JSON.stringify(documentOf(orgId, keys));
    expect(await app.get(SiteDocumentsService).applyFromSite(orgId, siteId, 'file', text, true)).toMatchObject({
      ok: true,
    });
    expect((await left(orgId)).keys).toEqual(keys);
  }
});

describe('what the provisioning blueprint made', () => {
  it('stays when both files came on the session of the claim, and is the operator’s once a later session shows which', async () => {
    const orgId = await org();
    const one = await site(orgId);
    await sendAll(
      orgId,
      one,
      [
        ['a', 'b'],
        ['p-ssh', 'first'],
      ],
      [],
    );
    expect(await left(orgId)).toEqual({ keys: ['a', 'b', 'first', 'p-ssh'], operators: [] });
    await sendAll(orgId, one, [], [['a'], ['a', 'z'], ['z']]);
    expect(await left(orgId)).toEqual({ keys: ['first', 'p-ssh', 'z'], operators: ['first', 'p-ssh'] });
    // With its targets: the operator may change it, and no document of the site has a say.
    expect(
      await app.sql('SELECT FROM target JOIN resource USING (resource_id) WHERE nice_id = $1 AND source_id IS NULL', [
        'first',
      ]),
    ).toHaveLength(1);
    const changed = documentOf(orgId, ['first'], { name: 'Mine', targets: [] });
    expect((await apply(orgId, JSON.stringify(changed))).status).toBe(201);
  });

  it('stays when it came alone and the newt is given another file later', async () => {
    expect(await result([['p-ssh']], [['a', 'b'], ['a']])).toEqual({ keys: ['a', 'p-ssh'], operators: ['p-ssh'] });
  });

  it('stays where an earlier version of the server did not note which documents there were', async () => {
    const orgId = await org();
    const one = await site(orgId);
    await sendAll(orgId, one, [['a', 'b', 'p-ssh']], []);
    await app.sql(`UPDATE blueprint_source SET claim_documents = '[]' WHERE site_id = $1`, [one.siteId]);
    await sendAll(orgId, one, [], [['a', 'c'], ['c']]);
    expect(await left(orgId)).toEqual({ keys: ['b', 'c', 'p-ssh'], operators: ['b', 'p-ssh'] });
  });
});

describe('a problem of a document', () => {
  it('has no place where the document came as one line of JSON, and has one otherwise', async () => {
    const orgId = await org();
    const { siteId } = await site(orgId);
    const documents = app.get(SiteDocumentsService);
    const wrong = { 'public-resources': { web: { name: 'Web', protocol: 'http' } } };
    const refused = {
      'public-resources': { web: { name: 'Web', protocol: 'http', 'full-domain': 'web.not-ours.example' } },
    };
    for (const document of [wrong, refused])
      for (const [text, placed] of [
        [JSON.stringify(document), false],
        [JSON.stringify(document, null, 2), true],
      ] as const) {
        const { ok, message, problems } = await documents.applyFromSite(orgId, siteId, 'newt', text);
        expect(ok).toBe(false);
        expect(problems.map((problem) => (problem.line ?? 0) > 0)).toEqual([placed]);
        if (document === wrong) expect(/(^|: )\d+:\d+ /.test(message)).toBe(placed);
        const { body } = await apply(orgId, text);
        if (document === wrong) expect(/\(line \d+, column \d+\)/.test(body.message)).toBe(placed);
      }
  });
});
