import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Config, Db, Drain } from '#platform';
import { AuditService, EventsService } from '../../src/audit/index.js';
import { DomainVerifier } from '../../src/resources/domains/domain-verifier.service.js';
import { DomainsRepository } from '../../src/resources/domains/domains.repository.js';
import { DomainsService } from '../../src/resources/domains/domains.service.js';
import { startDns, type TestDns } from '../support/dns.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let dns: TestDns;
let app: TestApp;
beforeAll(async () => {
  dns = await startDns();
  app = await openTestApp({
    BASE_DOMAIN: 'gate.example.net',
    DNS_RESOLVERS: dns.address,
    DNS_NAMESERVERS: 'ns1.gate.example.net,ns2.gate.example.net',
    DNS_SERVER_IP: '192.0.2.1',
  });
  await app.makeOrg('acme');
  await app.makeOrg('other');
});
afterAll(async () => {
  await app?.close();
  await dns.close();
});

interface Domain {
  domainId: string;
  baseDomain: string;
  verified: boolean;
  failed: boolean;
  tries: number;
  errorMessage: string | null;
  nsRecords?: string[];
  cnameRecords?: { baseDomain: string; value: string }[];
  aRecords?: { baseDomain: string; value: string }[];
}
let serial = 0;
const fresh = () => `d${++serial}.example.com`;
const create = (orgId: string, type: string, baseDomain = fresh(), more: object = {}) =>
  app.root.expect<Domain>('PUT', `/org/${orgId}/domain`, { type, baseDomain, ...more });
const read = (orgId: string, domainId: string) => app.root.expect<Domain>('GET', `/org/${orgId}/domain/${domainId}`);
const check = () => app.get(DomainVerifier).checkDue();
const due = (domainId: string) => app.sql('UPDATE domain SET next_try_at = now() WHERE domain_id = $1', [domainId]);
const auditOf = (domainId: string) =>
  app.sql<{ action: string; result: string }>(
    'SELECT action, result FROM audit WHERE target_id = $1 ORDER BY audit_id',
    [domainId],
  );

describe('the domain of BASE_DOMAIN', () => {
  it('is there from the start, verified, and cannot be deleted', async () => {
    const reply = await app.root.get<{ domains: Domain[] }>('/v1/org/acme/domains');
    const own = reply.body.data.domains.find((d) => d.baseDomain === 'gate.example.net')!;
    expect(own).toEqual({
      domainId: expect.stringMatching(/^[a-z0-9]{15}$/),
      baseDomain: 'gate.example.net',
      configManaged: true,
      type: 'wildcard',
      verified: true,
      failed: false,
      tries: 0,
      certResolver: null,
      preferWildcardCert: null,
      errorMessage: null,
    });
    expect(await app.root.delete(`/org/acme/domain/${own.domainId}`)).toMatchObject({
      status: 400,
      body: { code: 'validation' },
    });
    expect(await app.root.expect('GET', `/org/acme/domain/${own.domainId}/dns-records`)).toMatchObject([
      { recordType: 'A', baseDomain: '*.gate.example.net', value: '192.0.2.1', verified: true },
      { recordType: 'A', baseDomain: 'gate.example.net', value: '192.0.2.1', verified: true },
    ]);
  });

  it('comes to organizations that are older, and the former one goes unless something uses it', async () => {
    await app.makeOrg('older');
    await app.sql(`DELETE FROM domain WHERE org_id = 'older'`);
    await app.sql(
      `INSERT INTO domain (domain_id, org_id, base_domain, type, config_managed, verified) VALUES ('formerone', 'older', 'former.example', 'wildcard', true, true), ('formertwo', 'older', 'used.example', 'wildcard', true, true)`,
    );
    await app.sql(
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, domain_id, full_domain) VALUES ('older', 'r', 'r', true, 'tcp', 'formertwo', 'used.example')`,
    );
    await Promise.all([
      app.get(DomainsService).onApplicationBootstrap(),
      app.get(DomainsService).onApplicationBootstrap(),
    ]);
    const { domains } = await app.root.expect<{ domains: Domain[] }>('GET', '/org/older/domains');
    expect(domains.map((d) => d.baseDomain)).toEqual(['gate.example.net', 'used.example']);
  });
});

describe('register a domain', () => {
  it('ns: the name servers of the configuration; cname: two names of its own; wildcard: the address, verified at once', async () => {
    const ns = await app.root.put<Domain>('/v1/org/acme/domain', { type: 'ns', baseDomain: 'NS.Example.COM' });
    expect(ns).toMatchObject({
      status: 201,
      body: {
        data: {
          nsRecords: ['ns1.gate.example.net', 'ns2.gate.example.net'],
          certResolver: null,
          preferWildcardCert: null,
        },
      },
    });
    expect(await read('acme', ns.body.data.domainId)).toMatchObject({
      baseDomain: 'ns.example.com',
      type: 'ns',
      verified: false,
    });
    const cname = await create('acme', 'cname', 'cn.example.com');
    expect(cname.cnameRecords).toEqual([
      { baseDomain: 'cn.example.com', value: `${cname.domainId}.cname.gate.example.net` },
      {
        baseDomain: '_acme-challenge.cn.example.com',
        value: `_acme-challenge.${cname.domainId}.cname.gate.example.net`,
      },
    ]);
    const wildcard = await create('acme', 'wildcard', 'wild.example.com', {
      certResolver: 'letsencrypt',
      preferWildcardCert: true,
    });
    expect(wildcard).toEqual({
      domainId: wildcard.domainId,
      certResolver: 'letsencrypt',
      preferWildcardCert: true,
      aRecords: [
        { baseDomain: '*.wild.example.com', value: '192.0.2.1' },
        { baseDomain: 'wild.example.com', value: '192.0.2.1' },
      ],
    });
    expect(await read('acme', wildcard.domainId)).toMatchObject({
      verified: true,
      configManaged: false,
      certResolver: 'letsencrypt',
      preferWildcardCert: true,
    });
  });

  it.each([
    [{ type: 'ns', baseDomain: 'localhost' }, 'baseDomain'],
    [{ type: 'ns', baseDomain: '-a.example.com' }, 'baseDomain'],
    [{ type: 'ns', baseDomain: 'a..com' }, 'baseDomain'],
    [{ type: 'ns', baseDomain: `${'a'.repeat(64)}.com` }, 'baseDomain'],
    [{ type: 'ns', baseDomain: '10.0.0.1' }, 'baseDomain'],
    [{ type: 'ns', baseDomain: '*.example.com' }, 'baseDomain'],
    [{ type: 'ns', baseDomain: `${'a.'.repeat(127)}com` }, 'baseDomain'],
    [{ type: 'cname', baseDomain: 'example.com' }, 'baseDomain'],
    [{ type: 'txt', baseDomain: 'a.example.com' }, 'type'],
    [{ type: 'ns' }, 'baseDomain'],
    [{ type: 'ns', baseDomain: 'a.example.com', color: 1 }, 'color'],
    [{ type: 'wildcard', baseDomain: 'a.example.com', preferWildcardCert: 'yes' }, 'preferWildcardCert'],
  ])('refuses %j, naming the field', async (body, path) => {
    expect(await app.root.put('/org/acme/domain', body)).toMatchObject({
      status: 400,
      body: { code: 'validation', fields: [{ path }] },
    });
  });

  it('twice is 409, and so is one that somebody verified; a name inside a verified ns domain is 400', async () => {
    const name = fresh();
    await create('acme', 'ns', name);
    expect(await app.root.put('/org/acme/domain', { type: 'ns', baseDomain: name.toUpperCase() })).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
    await create('other', 'wildcard', name);
    expect(await app.root.put('/org/acme/domain', { type: 'wildcard', baseDomain: name })).toMatchObject({
      status: 409,
    });
    expect(await app.root.put('/org/acme/domain', { type: 'wildcard', baseDomain: `sub.${name}` })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'baseDomain' }] },
    });
    await create('other', 'wildcard', `sub.${name}`);
  });

  it('from two organizations at once: one 201, one 409', async () => {
    const name = fresh();
    const replies = await Promise.all(
      ['acme', 'other', 'acme', 'other'].map((orgId) =>
        app.root.put(`/org/${orgId}/domain`, { type: 'wildcard', baseDomain: name }),
      ),
    );
    expect(replies.map((r) => r.status).sort()).toEqual([201, 409, 409, 409]);
  });
});

describe('read, change, delete', () => {
  it('pages in shape A', async () => {
    await app.makeOrg('pages');
    for (const name of ['b.example.org', 'a.example.org']) await create('pages', 'ns', name);
    const reply = await app.root.get<{ domains: Domain[] }>('/org/pages/domains?limit=2&offset=0');
    expect(reply.body.data).toMatchObject({
      domains: [{ baseDomain: 'a.example.org' }, { baseDomain: 'b.example.org' }],
      pagination: { total: 3, limit: 2, offset: 0 },
    });
    expect((await app.root.get('/org/pages/domains?color=1')).status).toBe(400);
  });

  it('certificate settings only on wildcard, by ETag', async () => {
    const { domainId } = await create('acme', 'wildcard');
    const before = await app.root.get(`/org/acme/domain/${domainId}`);
    const changed = await app.root
      .as(app.root.authorization, { 'if-match': before.headers.get('etag')! })
      .patch(`/org/acme/domain/${domainId}`, { certResolver: 'le' });
    expect(changed).toMatchObject({
      status: 200,
      body: { data: { domainId, certResolver: 'le', preferWildcardCert: null } },
    });
    const stale = app.root.as(app.root.authorization, { 'if-match': before.headers.get('etag')! });
    expect(await stale.patch(`/org/acme/domain/${domainId}`, { certResolver: null })).toMatchObject({
      status: 412,
      body: { code: 'precondition_failed' },
    });
    expect(await app.root.patch(`/org/acme/domain/${domainId}`, { preferWildcardCert: true })).toMatchObject({
      body: { data: { certResolver: 'le', preferWildcardCert: true } },
    });
    expect((await app.root.patch(`/org/acme/domain/${domainId}`, {})).status).toBe(400);
    const ns = await create('acme', 'ns');
    expect((await app.root.patch(`/org/acme/domain/${ns.domainId}`, { certResolver: 'le' })).status).toBe(400);
  });

  it('of another organization is 404 on every route', async () => {
    const { domainId } = await create('other', 'wildcard');
    const key = await app.orgKey(
      'acme',
      'getDomain',
      'updateOrgDomain',
      'deleteOrgDomain',
      'getDNSRecords',
      'restartOrgDomain',
    );
    for (const api of [key, app.root]) {
      for (const [method, rest, body] of [
        ['GET', ''],
        ['PATCH', '', { certResolver: 'x' }],
        ['DELETE', ''],
        ['GET', '/dns-records'],
        ['POST', '/restart'],
      ] as const) {
        expect((await api.send(method, `/org/acme/domain/${domainId}${rest}`, body)).status).toBe(404);
        expect((await api.send(method, `/org/acme/domain/nosuchdomain000${rest}`, body)).status).toBe(404);
      }
    }
    expect((await read('other', domainId)).domainId).toBe(domainId);
  });

  it('deleting frees the names of its resources', async () => {
    const { domainId } = await create('acme', 'wildcard', 'del.example.com');
    await app.sql(
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, domain_id, subdomain, full_domain) VALUES ('acme', 'on-it', 'r', true, 'tcp', $1, 'a', 'a.del.example.com')`,
      [domainId],
    );
    expect(await app.root.delete(`/org/acme/domain/${domainId}`)).toMatchObject({
      status: 200,
      body: { data: { success: true } },
    });
    expect(await app.sql(`SELECT domain_id, subdomain, full_domain FROM resource WHERE nice_id = 'on-it'`)).toEqual([
      { domain_id: null, subdomain: null, full_domain: null },
    ]);
    expect((await app.root.get(`/org/acme/domain/${domainId}`)).status).toBe(404);
  });
});

describe('verification', () => {
  it('ns: by its delegation; tries, error and records say how far it is', async () => {
    const name = fresh();
    const { domainId } = await create('acme', 'ns', name);
    await check();
    expect(await read('acme', domainId)).toMatchObject({
      verified: false,
      failed: false,
      tries: 1,
      errorMessage: `${name} needs the NS record ns1.gate.example.net or ns2.gate.example.net and has none`,
    });
    dns.records.set(`NS ${name}`, ['ns1.registrar.example']);
    await due(domainId);
    await check();
    expect((await read('acme', domainId)).errorMessage).toMatch(/has ns1\.registrar\.example$/);
    dns.records.set(`NS ${name}`, ['NS1.Gate.Example.net']);
    await due(domainId);
    await check();
    expect(await read('acme', domainId)).toMatchObject({ verified: true, failed: false, tries: 3, errorMessage: null });
    expect(await app.root.expect('GET', `/org/acme/domain/${domainId}/dns-records`)).toMatchObject([
      { recordType: 'NS', baseDomain: name, value: 'ns1.gate.example.net', verified: true },
      { recordType: 'NS', value: 'ns2.gate.example.net', verified: false },
    ]);
    expect((await auditOf(domainId)).map((a) => a.action)).toEqual(['domain.create', 'domain.verify']);
    await due(domainId);
    expect(await check()).toBe(0);
  });

  it('cname: both records, which hold the id of this very domain', async () => {
    const name = fresh();
    const stranger = await create('other', 'cname', name);
    const mine = await create('acme', 'cname', name);
    for (const { baseDomain, value } of mine.cnameRecords!.slice(0, 1)) dns.records.set(`CNAME ${baseDomain}`, [value]);
    await check();
    expect(await read('acme', mine.domainId)).toMatchObject({
      verified: false,
      errorMessage: expect.stringMatching(/^_acme-challenge/),
    });
    for (const { baseDomain, value } of mine.cnameRecords!) dns.records.set(`CNAME ${baseDomain}`, [value]);
    await due(mine.domainId);
    await due(stranger.domainId);
    await check();
    expect(await read('acme', mine.domainId)).toMatchObject({ verified: true });
    expect(await read('other', stranger.domainId)).toMatchObject({ verified: false, failed: false });
  });

  it('a domain that somebody verified cannot be verified again', async () => {
    const name = fresh();
    const [first, second] = [await create('acme', 'ns', name), await create('other', 'ns', name)];
    dns.records.set(`NS ${name}`, ['ns2.gate.example.net']);
    await check();
    const states = [await read('acme', first.domainId), await read('other', second.domainId)];
    expect(states.filter((d) => d.verified)).toHaveLength(1);
    expect(states.filter((d) => d.failed)).toMatchObject([
      { verified: false, errorMessage: 'Somebody else has verified this domain' },
    ]);
  });

  it('waits longer after each failure, gives up in the end, and begins anew on restart', async () => {
    const { domainId } = await create('acme', 'ns');
    const waits: number[] = [];
    for (let i = 0; i < 3; i++) {
      await due(domainId);
      await check();
      const [row] = await app.sql<{ wait: number }>(
        'SELECT extract(epoch FROM next_try_at - now())::float8 AS wait FROM domain WHERE domain_id = $1',
        [domainId],
      );
      waits.push(row!.wait);
    }
    expect(waits.map((w) => Math.ceil(w / 10) * 10)).toEqual([10, 20, 40]);
    await app.sql('UPDATE domain SET tries = 79, next_try_at = now() WHERE domain_id = $1', [domainId]);
    await check();
    expect(await read('acme', domainId)).toMatchObject({ failed: true, tries: 80 });
    expect(await app.root.post(`/org/acme/domain/${domainId}/restart`)).toMatchObject({
      status: 200,
      body: { data: { success: true } },
    });
    expect(await read('acme', domainId)).toMatchObject({ failed: false, tries: 0, errorMessage: null });
    await check();
    expect(await read('acme', domainId)).toMatchObject({ failed: false, tries: 1 });
  });

  it('several servers at once ask once per domain', async () => {
    const names = Array.from({ length: 40 }, fresh);
    for (const name of names) await create('acme', 'ns', name);
    dns.questions.length = 0;
    const parts = [
      app.get(Db),
      app.get(Config),
      app.get(DomainsRepository),
      app.get(AuditService),
      app.get(EventsService),
      app.get(Drain),
    ] as const;
    const servers = [app.get(DomainVerifier), ...[1, 2, 3].map(() => new DomainVerifier(...parts))];
    await Promise.all(servers.map((server) => server.checkDue()));
    const asked = dns.questions.filter((q) => names.some((name) => q === `NS ${name}`));
    expect(asked.toSorted()).toEqual(names.map((name) => `NS ${name}`).toSorted());
  });

  it('a resolver that does not answer is a try, not a failure of the server', async () => {
    const silent = await startDns();
    await silent.close();
    const lonely = await openTestApp({ DNS_RESOLVERS: silent.address });
    try {
      await lonely.makeOrg('acme');
      const { domainId } = await lonely.root.expect<Domain>('PUT', '/org/acme/domain', {
        type: 'ns',
        baseDomain: 'silent.example.com',
      });
      await lonely.get(DomainVerifier).checkDue();
      expect(await lonely.root.expect('GET', `/org/acme/domain/${domainId}`)).toMatchObject({
        verified: false,
        tries: 1,
        errorMessage: expect.stringMatching(/did not answer/),
      });
    } finally {
      await lonely.close();
    }
  });
});
