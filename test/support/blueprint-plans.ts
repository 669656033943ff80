import { type Blueprint, parse, type Templates } from '#blueprint';
import { RolesService } from '../../src/access/index.js';
import { BlueprintsRepository } from '../../src/blueprints/blueprints.repository.js';
import { CurrentStateRepository } from '../../src/blueprints/current-state.repository.js';
import { makePlan } from '../../src/blueprints/plan.js';
import { rolesIn, withRoleNames } from '../../src/blueprints/role-names.js';
import { Secrets } from '../../src/blueprints/secrets.js';
import type { TestApp } from './test-app.js';

/** The plan of a document that has nothing left to do. */
export const NOTHING = { changes: [], drift: [], problems: [] };

/** @throws with every problem of a document that does not check */
export function readBlueprint(text: string, templates?: Templates): Blueprint {
  const parsed = parse(text, templates ? { templates } : {});
  if (!parsed.ok) throw new Error(`${JSON.stringify(parsed.problems)}\n${text}`);
  return parsed.model;
}

/** A role of another spelling that differs in case or width only is the same role: the document means it as it was made. */
export const asMade = (app: TestApp, orgId: string, model: Blueprint) =>
  app.db.tx(async (tx) => withRoleNames(model, await app.get(RolesService).asMade(tx, orgId, rolesIn(model))));

/** What a document of a site would do. */
export async function planOf(
  app: TestApp,
  orgId: string,
  siteId: number,
  kind: 'file' | 'newt' | 'labels',
  said: Blueprint,
) {
  const model = await asMade(app, orgId, said);
  const hashes = await app.get(Secrets).hash(orgId, model);
  return app.db.tx(async (tx) => {
    const repository = app.get(BlueprintsRepository);
    const site = await repository.lockSite(tx, orgId, siteId);
    const applicant = { orgId, kind, site, sourceId: await repository.sourceOf(tx, siteId, kind) };
    const { changes, drift, problems } = makePlan(
      model,
      applicant,
      await app.get(CurrentStateRepository).load(tx, applicant, model),
      hashes,
      { problem: () => undefined },
      { problem: () => undefined },
    );
    return { changes, drift, problems };
  });
}
