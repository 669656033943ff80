import { describe, expect, it } from 'vitest';
import { Config, Db, Drain, sqlState } from '#platform';
import { AuditService, EventsService } from '../../src/audit/index.js';
import { SiteDocumentsService } from '../../src/blueprints/index.js';
import { DomainVerifier } from '../../src/resources/domains/domain-verifier.service.js';
import { DomainsRepository } from '../../src/resources/domains/domains.repository.js';
import {
  app,
  BASE,
  CLASHES,
  claim,
  type Domain,
  dns,
  made,
  NS,
  name,
  names,
  setUpDomainClaims,
} from '../support/domain-claims.js';
import { until } from '../support/server.js';

setUpDomainClaims();

let serial = 0;
/** A zone of its own for each test. */
const zone = () => `zone${++serial}.example`;
const delegated = async (orgId: string, baseDomain: string) => {
  const domainId = await made(orgId, baseDomain, 'ns');
  dns.records.set(`NS ${baseDomain}`, [NS]);
  return domainId;
};
const read = (orgId: string, domainId: string) => app.root.expect<Domain>('GET', `/org/${orgId}/domain/${domainId}`);
/** Claims and proves by DNS. */
async function prove(orgId: string, baseDomain: string): Promise<string> {
  const domainId = await delegated(orgId, baseDomain);
  await app.get(DomainVerifier).checkDue();
  expect(await read(orgId, domainId)).toMatchObject({ verified: true });
  return domainId;
}
const baseOf = async (orgId: string) =>
  (
    await app.root.expect<{ domains: { domainId: string; configManaged: boolean }[] }>('GET', `/org/${orgId}/domains`)
  ).domains.find((d) => d.configManaged)!.domainId;
const document = (fullDomain: string, key: string) => ({
  'public-resources': { [key]: { name: 'Web', mode: 'http', 'full-domain': fullDomain } },
});
const apply = (orgId: string, doc: object) =>
  app.root.put<null>(`/org/${orgId}/blueprint`, { blueprint: Buffer.from(JSON.stringify(doc)).toString('base64') });
const send = (orgId: string, siteId: number, doc: object) =>
  app.get(SiteDocumentsService).applyFromSite(orgId, siteId, 'file', JSON.stringify(doc));
const site = async (orgId: string) =>
  (await app.root.expect<{ siteId: number }>('PUT', `/org/${orgId}/site`, { name: 'edge', type: 'newt' })).siteId;

describe('a claim without a proof', () => {
  it.each([
    ['the same name', '', 409],
    ['one above', '^', 400],
    ['one below', 'deep.er.', 400],
  ])('is refused where another organization has proven a name: %s', async (_what, place, status) => {
    const above = zone();
    await prove('b', `a.${above}`);
    const wanted = place === '^' ? above : `${place}a.${above}`;
    expect(await claim('a', wanted)).toMatchObject({ status });
    // The database says it, not only the route.
    await expect(
      app.sql(
        `INSERT INTO domain (domain_id, org_id, base_domain, type, verified) VALUES ('sneaky${serial}', 'a', $1, 'wildcard', true)`,
        [wanted],
      ),
    ).rejects.toSatisfy((error) => sqlState(error) === '23514');
    await app.sql(
      `INSERT INTO domain (domain_id, org_id, base_domain, type, verified) VALUES ('slowly${serial}', 'a', $1, 'wildcard', false)`,
      [wanted],
    );
    await expect(app.sql(`UPDATE domain SET verified = true WHERE domain_id = 'slowly${serial}'`)).rejects.toSatisfy(
      (error) => sqlState(error) === '23514',
    );
    expect(await claim('b', wanted)).toMatchObject({ status: 201 });
    expect(await claim('a', `beside.${above}`)).toMatchObject({ status: place === '^' ? 400 : 201 });
  });

  it('is refused above, below and on another one without a proof, and not one beside it', async () => {
    const above = zone();
    await made('b', `a.${above}`);
    for (const [wanted, status] of [
      [`a.${above}`, 409],
      [above, 400],
      [`x.a.${above}`, 400],
      [`b.${above}`, 201],
      [`xa.${above}`, 201],
    ] as const)
      expect(await claim('a', wanted)).toMatchObject({ status });
  });

  it('stands where the organization has a proof behind it', async () => {
    const top = zone();
    await prove('a', top);
    await prove('b', `b.${top}`);
    await made('a', `x.${top}`);
    await made('a', top);
    expect(await claim('a', `b.${top}`)).toMatchObject({ status: 409 });
    expect(await claim('a', `x.b.${top}`)).toMatchObject({ status: 400 });
    await made('b', `x.b.${top}`);
    // Its own claim is no obstacle to proving the same.
    const own = zone();
    await made('b', own);
    await prove('b', own);
  });

  it('of two organizations and a proof of a third at the same moment: never both, whoever is first', async () => {
    await app.makeOrg('c');
    const parts = [
      app.get(Db),
      app.get(Config),
      app.get(DomainsRepository),
      app.get(AuditService),
      app.get(EventsService),
      app.get(Drain),
    ] as const;
    const servers = [app.get(DomainVerifier), new DomainVerifier(...parts)];
    for (let round = 0; round < 20; round++) {
      const top = zone();
      const proof = await delegated('c', `p.q.${top}`);
      const claims = Promise.all([
        claim('a', top),
        claim('b', `q.${top}`),
        claim('a', `p.q.${top}`),
        claim('b', `d.p.q.${top}`),
      ]);
      await Promise.all([claims, ...servers.map((server) => server.checkDue())]);
      expect(await read('c', proof)).toMatchObject({ verified: true });
      expect(
        await app.sql(`SELECT FROM domain WHERE org_id <> 'c' AND verified AND base_domain LIKE '%' || $1`, [top]),
      ).toEqual([]);
    }
    expect(await app.sql(CLASHES)).toEqual([]);
  });
});

describe('a proof', () => {
  it('owns what lies below it but for what others have proven there', async () => {
    const top = zone();
    const lower = await prove('b', `b.${top}`);
    const upper = await prove('a', top);
    for (const subdomain of ['b', 'w.b', '*.b', 'v.w.b', '*'])
      expect(await name('a', upper, subdomain)).toMatchObject({
        status: 409,
        body: { message: expect.stringContaining('another organization') },
      });
    for (const subdomain of ['x', 'x.y', '*.y2', null])
      expect(await name('a', upper, subdomain)).toMatchObject({ status: 201 });
    for (const subdomain of ['w', '*.w', null])
      expect(await name('b', lower, subdomain)).toMatchObject({ status: 201 });
    const mine = await name('a', upper, 'to-move');
    expect(await app.root.post(`/resource/${mine.body.data.resourceId}`, { subdomain: 'moved.b' })).toMatchObject({
      status: 409,
    });
    expect(await apply('a', document(`k.b.${top}`, 'k'))).toMatchObject({
      status: 400,
      body: {
        fields: [{ path: 'public-resources.k.full-domain', problem: expect.stringContaining('another organization') }],
      },
    });
    const privately = {
      name: 'P',
      mode: 'http',
      destination: '10.0.0.1',
      destinationPort: 80,
      scheme: 'http',
      domainId: upper,
      subdomain: 'p.b',
      siteIds: [await site('a')],
    };
    expect(await app.root.put('/org/a/site-resource', privately)).toMatchObject({ status: 409 });
    await expect(
      app.sql(
        `INSERT INTO resource (org_id, nice_id, name, http, protocol, domain_id, full_domain) VALUES ('a', 'raw-sql', 'r', true, 'tcp', $1, $2)`,
        [upper, `z.b.${top}`],
      ),
    ).rejects.toSatisfy((error) => sqlState(error) === '23514');
    expect((await names('a')).filter((n) => n.includes(`b.${top}`))).toEqual([]);
  });

  it('takes a name from a claim without one: names stay, new ones are refused, its organization is told, and gets it back when the proof is gone', async () => {
    const top = zone();
    const upper = await made('a', top);
    const kept = await name('a', upper, 'w.b');
    const { resourceId } = kept.body.data;
    const s = await site('a');
    expect(await send('a', s, document(`file.b.${top}`, `file${serial}`))).toMatchObject({ ok: true });
    const lower = await prove('b', `b.${top}`);

    const reason = 'Another organization has proven this domain, or one above or below it';
    expect(await read('a', upper)).toMatchObject({ verified: false, failed: true, errorMessage: reason });
    // The feed holds back what is newer than the oldest transaction of the cluster, and other specs have transactions open.
    const events = await until(async () => {
      const page = await app.root.expect<{ events: { data: { domainId: string } }[] }>(
        'GET',
        '/org/a/events?type=domain.unverified',
      );
      const told = page.events.filter((e) => e.data.domainId === upper);
      return told.length > 0 && told;
    });
    expect(events).toMatchObject([{ data: { domainId: upper, baseDomain: top, reason } }]);
    expect(
      await app.sql(`SELECT org_id AS org, action FROM audit WHERE target_id = $1 ORDER BY audit_id`, [upper]),
    ).toEqual([
      { org: 'a', action: 'domain.create' },
      { org: 'a', action: 'domain.unverify' },
    ]);
    expect(
      await app.sql(
        `SELECT FROM event WHERE org_id = 'b' AND type = 'domain.unverified' AND data ->> 'domainId' = $1`,
        [upper],
      ),
    ).toEqual([]);

    expect(await app.root.expect('GET', `/resource/${resourceId}`)).toMatchObject({
      fullDomain: `w.b.${top}`,
      domainId: upper,
    });
    expect(
      await app.root.post(`/resource/${resourceId}`, { domainId: upper, subdomain: 'w.b', ssl: false }),
    ).toMatchObject({ status: 200, body: { data: { fullDomain: `w.b.${top}` } } });
    expect(await send('a', s, document(`file.b.${top}`, `file${serial}`))).toMatchObject({ ok: true });
    for (const subdomain of ['v.b', 'v']) {
      expect(await name('a', upper, subdomain)).toMatchObject({
        status: 400,
        body: { fields: [{ path: 'domainId' }] },
      });
      expect(await app.root.post(`/resource/${resourceId}`, { subdomain })).toMatchObject({ status: 400 });
      expect(await send('a', s, document(`${subdomain}.${top}`, 'another'))).toMatchObject({
        ok: false,
        problems: [{ path: 'public-resources.another.full-domain' }],
      });
    }
    // What is there is taken for the new holder too.
    expect(await name('b', lower, 'w')).toMatchObject({ status: 409 });
    expect(await name('b', lower, 'v')).toMatchObject({ status: 201 });

    expect(await app.root.post(`/org/a/domain/${upper}/restart`)).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'baseDomain' }] },
    });
    expect(await read('a', upper)).toMatchObject({ verified: false, failed: true });
    await app.root.expect('DELETE', `/org/b/domain/${lower}`);
    await app.root.expect('POST', `/org/a/domain/${upper}/restart`);
    expect(await read('a', upper)).toMatchObject({ verified: true, failed: false, errorMessage: null });
    expect(await name('a', upper, 'v')).toMatchObject({ status: 201 });
  });
});

describe('the shared domain', () => {
  it('is nobody’s: no claims on it, names to who made them first', async () => {
    for (const type of ['ns', 'cname']) expect(await claim('a', BASE, type)).toMatchObject({ status: 409 });
    expect(await claim('a', `mine.${BASE}`)).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('shared') },
    });
    await expect(
      app.sql(
        `INSERT INTO domain (domain_id, org_id, base_domain, type, verified) VALUES ('proofofbase', 'a', $1, 'ns', true)`,
        [BASE],
      ),
    ).rejects.toSatisfy((error) => sqlState(error) === '23514');
    const [a, b] = [await baseOf('a'), await baseOf('b')];
    expect(await name('a', a, 'first')).toMatchObject({ status: 201 });
    expect(await name('b', b, 'first')).toMatchObject({ status: 409 });
    expect(await name('b', b, 'x.first')).toMatchObject({ status: 201 });
    await prove('b', `own.${BASE}`);
    expect(await name('a', a, 'x.own')).toMatchObject({ status: 409 });
    expect(await name('a', a, 'other')).toMatchObject({ status: 201 });
  });

  it('stays so under a proof above it', async () => {
    const [, above] = BASE.split(/\.(.*)/s) as [string, string];
    await prove('b', above);
    expect(await name('a', await baseOf('a'), 'still')).toMatchObject({ status: 201 });
    expect(await claim('a', `x.${above}`)).toMatchObject({ status: 400 });
  });
});

describe('a row that waits for another organization’s approval', () => {
  it('holds its name, and nothing that is done elsewhere removes it', async () => {
    const [a, b] = [await site('a'), await site('b')];
    const wanted = `staged.${BASE}`;
    await app.root.expect('POST', `/site/${b}`, { status: 'pending' });
    expect(
      await send('b', b, {
        'public-resources': {
          web: { name: 'B', mode: 'http', 'full-domain': wanted },
          wild: { name: 'B', mode: 'http', 'full-domain': `*.s.${BASE}` },
        },
      }),
    ).toMatchObject({ ok: true });
    const waiting = () => app.sql('SELECT nice_id, full_domain FROM resource WHERE staged_by = $1 ORDER BY 1', [b]);
    const before = await waiting();
    expect(before).toHaveLength(2);

    const taken = [{ path: 'public-resources.mine.full-domain', message: `${wanted} is already in use` }];
    expect(await send('a', a, document(wanted, 'mine'))).toMatchObject({ ok: false, problems: taken });
    for (const domain of [wanted, `x.s.${BASE}`]) {
      expect(await apply('a', document(domain, 'mine'))).toMatchObject({
        status: 400,
        body: { fields: [{ path: 'public-resources.mine.full-domain', problem: `${domain} is already in use` }] },
      });
    }
    const base = await baseOf('a');
    expect(await name('a', base, 'staged')).toMatchObject({ status: 409 });
    expect(await name('a', base, 'x.s')).toMatchObject({ status: 409 });
    const { resourceId } = (await name('a', base, 'elsewhere')).body.data;
    for (const subdomain of ['staged', 'x.s'])
      expect(await app.root.post(`/resource/${resourceId}`, { subdomain })).toMatchObject({ status: 409 });
    expect(await waiting()).toEqual(before);
    await app.root.expect('POST', `/site/${b}`, { status: 'approved' });
    expect((await names('b')).filter((n) => n === wanted)).toEqual([wanted]);
  });
});
