import { AppError } from '../errors.js';
import { ApiResult } from './api-responses.js';
import { QueryBoolean } from './pagination.dto.js';

/** Of deleting what others may use (docs/instances.md §2). */
export class DeletionQuery {
  /** Only say what uses it. */
  @QueryBoolean() dryRun?: boolean;
  /** Delete it in spite of its users. */
  @QueryBoolean() force?: boolean;
}

/** Named of each kind of users; the total says how many there are. */
export const USERS_NAMED = 100;

/** The 409 that names the users in `data`. `what` is a clause: `The secret X is in use`; `does` is what happens by force. */
export const inUse = (what: string, users: object, does = 'deletes it') =>
  new AppError('conflict', `${what}; force=true ${does} all the same`, { data: users });

/** What a dry run is answered. */
export const foreseen = <Users>(users: Users, message = 'Nothing was deleted; these use it'): ApiResult<Users> =>
  new ApiResult(users, { message });
