import { parse } from '#blueprint';
import { BlueprintsRepository } from '../../src/blueprints/blueprints.repository.js';
import { CurrentStateRepository } from '../../src/blueprints/current-state.repository.js';
import { type Outcome, SiteDocumentsService, type SiteKind } from '../../src/blueprints/index.js';
import { makePlan } from '../../src/blueprints/plan.js';
import type { Plan } from '../../src/blueprints/plan.types.js';
import { Secrets } from '../../src/blueprints/secrets.js';
import type { TestApp } from './test-app.js';

export interface Site {
  siteId: number;
  niceId: string;
}

/** What specs about blueprints ask of a server; `app` is there once the first test runs. */
export function blueprintCalls(app: () => TestApp) {
  let serial = 0;
  return {
    /** A new organization. @returns its id */
    async org(): Promise<string> {
      const orgId = `bp${serial++}`;
      await app().makeOrg(orgId);
      return orgId;
    },
    site: (orgId: string, name = 'edge') =>
      app().root.expect<Site>('PUT', `/org/${orgId}/site`, { name, type: 'newt' }),
    suspend: (s: Site) => app().root.expect('POST', `/site/${s.siteId}`, { status: 'pending' }),
    approve: (s: Site) => app().root.expect('POST', `/site/${s.siteId}`, { status: 'approved' }),
    /** A document of the site itself; of a newt `claiming` is one on the session of its claim. */
    send: (orgId: string, s: Site, kind: SiteKind, document: object, claiming = false): Promise<Outcome> =>
      app().get(SiteDocumentsService).applyFromSite(orgId, s.siteId, kind, JSON.stringify(document), claiming),
    /** A document of the operator. */
    apply: (orgId: string, text: string, query = '') =>
      app().root.put<{ changes: { action: string; type: string; key: string; fields: string[] }[] } | null>(
        `/org/${orgId}/blueprint${query}`,
        { blueprint: Buffer.from(text).toString('base64') },
      ),
    /** What applying the document would do. */
    async planOf(orgId: string, s: Site, kind: SiteKind, document: object): Promise<Plan> {
      const parsed = parse(JSON.stringify(document));
      if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
      const hashes = await app().get(Secrets).hash(orgId, parsed.model);
      return app().db.tx(async (tx) => {
        const repository = app().get(BlueprintsRepository);
        const site = await repository.lockSite(tx, orgId, s.siteId);
        const applicant = { orgId, kind, site, sourceId: await repository.sourceOf(tx, s.siteId, kind) };
        const state = await app().get(CurrentStateRepository).load(tx, applicant, parsed.model);
        return makePlan(
          parsed.model,
          applicant,
          state,
          hashes,
          { problem: () => undefined },
          { problem: () => undefined },
        );
      });
    },
    /** The public resources of an organization, each with its targets as `site@host:port`. */
    rows: (orgId: string) =>
      app().sql<{
        key: string;
        name: string;
        enabled: boolean;
        full: string | null;
        staged: number | null;
        targets: string | null;
      }>(
        `SELECT nice_id AS key, name, enabled, full_domain AS full, staged_by AS staged,
           (SELECT string_agg(t.site_id || '@' || t.ip || ':' || t.port, ' ' ORDER BY t.target_id) FROM target t WHERE t.resource_id = r.resource_id) AS targets
         FROM resource r WHERE org_id = $1 ORDER BY nice_id`,
        [orgId],
      ),
    privates: (orgId: string) =>
      app().sql<{ key: string; alias: string | null; address: string | null; sites: number[] }>(
        `SELECT nice_id AS key, alias, host(alias_address) AS address, ARRAY(SELECT site_id FROM site_resource_site m WHERE m.site_resource_id = r.site_resource_id ORDER BY 1) AS sites
         FROM site_resource r WHERE org_id = $1 ORDER BY nice_id`,
        [orgId],
      ),
    history: async (orgId: string) =>
      (
        await app().root.expect<{ blueprints: { source: string; succeeded: boolean }[] }>(
          'GET',
          `/org/${orgId}/blueprints`,
        )
      ).blueprints.map((b) => `${b.source} ${b.succeeded}`),
  };
}

/** A document of one HTTP resource with a target on the loopback. */
export const web = (more: object = {}, key = 'web') => ({
  'public-resources': {
    [key]: {
      name: 'Web',
      protocol: 'http',
      'full-domain': `${key}.localhost`,
      targets: [{ method: 'http', hostname: '127.0.0.1', port: 8080 }],
      ...more,
    },
  },
});
export const domainOf = (orgId: string, key: string) => `${key}-${orgId}.localhost`;
