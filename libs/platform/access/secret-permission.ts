import { grants } from '#contracts';
import { AppError } from '../errors.js';
import type { Principal } from './route-access.js';

/** Whether somebody may let sites receive secrets (docs/instances.md §2). */
export const mayUseSecrets = ({ authority }: Principal, orgId: string): boolean =>
  grants(authority, { kind: 'org', action: 'useSecret', orgId }) === 'granted';

/** Whether somebody may see which secrets there are, beside those that a document names which they may read. */
export const maySeeSecrets = ({ authority }: Principal, orgId: string): boolean =>
  grants(authority, { kind: 'org', action: 'listSecrets', orgId }) === 'granted';

/** For who does and may not. */
export const refuseSecrets = () =>
  new AppError('permission_denied', 'Sites receive secrets by this, which needs the action useSecret');
