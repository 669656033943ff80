import type { Api, TestOrg } from './api.js';

/** A public resource that needs no login. @returns its id and host */
export async function publicResource(root: Api, org: TestOrg, subdomain: string, more: object = {}) {
  const { domains } = await root.expect<{ domains: { domainId: string }[] }>('GET', org.path('domains'));
  const { resourceId, fullDomain: host } = await root.expect<{ resourceId: number; fullDomain: string }>(
    'PUT',
    org.path('resource'),
    { name: 'App', http: true, protocol: 'tcp', domainId: domains[0]!.domainId, subdomain },
  );
  await root.expect('POST', `/resource/${resourceId}`, { sso: false, ssl: false, ...more });
  return { resourceId, host };
}
