import { afterAll, beforeAll, expect } from 'vitest';
import { startDns, type TestDns } from './dns.js';
import { openTestApp, type TestApp } from './test-app.js';

export const BASE = 'gate.example.net';
export const NS = `ns1.${BASE}`;
export let dns: TestDns;
export let app: TestApp;
export interface Domain {
  domainId: string;
  verified: boolean;
  failed: boolean;
  errorMessage: string | null;
}
export const claim = (orgId: string, baseDomain: string, type = 'wildcard') =>
  app.root.put<Domain>(`/org/${orgId}/domain`, { type, baseDomain });
export const made = async (orgId: string, baseDomain: string, type = 'wildcard') => {
  const reply = await claim(orgId, baseDomain, type);
  expect(reply.body).toMatchObject({ status: 201 });
  return reply.body.data.domainId;
};
export const name = (orgId: string, domainId: string, subdomain: string | null) =>
  app.root.put<{ resourceId: number; fullDomain: string }>(`/org/${orgId}/resource`, {
    name: 'R',
    http: true,
    protocol: 'tcp',
    domainId,
    ...(subdomain === null ? {} : { subdomain }),
  });
export const names = async (orgId: string) =>
  (
    await app.sql<{ n: string }>(
      'SELECT full_domain AS n FROM resource WHERE org_id = $1 AND full_domain IS NOT NULL ORDER BY 1',
      [orgId],
    )
  ).map((r) => r.n);
/** Claims that count although another organization holds the name, one above or one below; no proof stands behind them. */
export const CLASHES = `SELECT u.org_id, u.base_domain, o.org_id AS other, o.base_domain AS held FROM domain u JOIN domain o ON o.org_id <> u.org_id AND o.verified AND NOT o.config_managed
  AND (u.base_domain = o.base_domain OR u.base_domain LIKE '%.' || o.base_domain OR o.base_domain LIKE '%.' || u.base_domain)
  WHERE u.verified AND NOT u.config_managed AND u.type = 'wildcard' AND NOT EXISTS (SELECT FROM domain p WHERE p.org_id = u.org_id AND p.verified AND p.type <> 'wildcard'
    AND (u.base_domain = p.base_domain OR u.base_domain LIKE '%.' || p.base_domain))`;

/** A server that verifies domains at a name server of its own. */
export function setUpDomainClaims(): void {
  beforeAll(async () => {
    dns = await startDns();
    app = await openTestApp({ BASE_DOMAIN: BASE, DNS_RESOLVERS: dns.address, DNS_NAMESERVERS: NS });
    await app.makeOrg('a');
    await app.makeOrg('b');
  });
  afterAll(async () => {
    await app?.close();
    await dns.close();
  });
}
