import { Injectable } from '@nestjs/common';
import { Db, Drain } from '#platform';
import { LastUses } from '../last-uses.js';
import { SessionsRepository } from './sessions.repository.js';

/** When and whence sessions were last used. */
@Injectable()
export class SessionUses extends LastUses {
  constructor(db: Db, repository: SessionsRepository, drain: Drain) {
    super('sessions', drain, (uses) => repository.used(db.manager, uses));
  }
}
