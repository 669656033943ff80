import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Blueprint } from '#blueprint';
import { conflict, isUniqueViolation } from '#platform';
import { RolesService } from '../access/index.js';
import { LocalTargets, RawPorts, refusedName } from '../resources/index.js';
import type { Applicant, Hashes } from './current-state.js';
import { CurrentStateRepository } from './current-state.repository.js';
import { makePlan } from './plan.js';
import type { Plan } from './plan.types.js';
import { rolesIn, withRoleNames } from './role-names.js';

const TRIES = 3;
/** Unique indexes under which two documents, or a document and an operator, may meet. */
const RACES = [
  'resource_full_domain',
  'resource_port',
  'resource_org_id_nice_id_key',
  'site_resource_org_id_nice_id_key',
  'site_resource_alias',
  'site_resource_full_domain',
  'site_resource_alias_address',
  'target_internal_port',
];

/** The plan was made for what is no longer so; it is made again. */
export class PlanOutdated extends Error {}

/** Compares a document with what is there now. */
@Injectable()
export class PlanningService {
  constructor(
    private readonly states: CurrentStateRepository,
    private readonly roles: RolesService,
    private readonly localTargets: LocalTargets,
    private readonly rawPorts: RawPorts,
  ) {}

  /** What the plan looked at is locked until the end of the transaction. @param hashes of the document's secrets, made before it */
  async plan(tx: EntityManager, applicant: Applicant, model: Blueprint, hashes: Hashes): Promise<Plan> {
    const said = withRoleNames(model, await this.roles.asMade(tx, applicant.orgId, rolesIn(model)));
    const state = await this.states.load(tx, applicant, said);
    return makePlan(said, applicant, state, hashes, this.localTargets, this.rawPorts);
  }
}

/** Somebody who takes a name at the same moment makes the plan wrong, not the document: it is made again. */
export async function retried<T>(attempted: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attempted();
    } catch (error) {
      if (
        !(error instanceof PlanOutdated) &&
        !RACES.some((index) => isUniqueViolation(error, index)) &&
        !refusedName(error)
      )
        throw error;
      if (attempt === TRIES) throw conflict('A name, alias or port of the blueprint is in use elsewhere');
    }
  }
}
