import { Injectable } from '@nestjs/common';
import { Db, Drain } from '#platform';
import { LastUses } from '../../access/index.js';
import { AccessRepository } from './access.repository.js';

/** When sessions of resources were last used: they end after eight hours without. */
@Injectable()
export class SessionUses extends LastUses {
  constructor(db: Db, repository: AccessRepository, drain: Drain) {
    super('sessions of resources', drain, (uses) => repository.used(db.manager, uses));
  }
}
