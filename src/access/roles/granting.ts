import { ACTIONS, type Action, grants, MEMBER_ACTIONS } from '#contracts';
import { AppError, type Principal } from '#platform';

const BASIC: ReadonlySet<string> = new Set(MEMBER_ACTIONS);

/**
 * Nobody grants an action that they lack (docs/integration-api.md §1.5). What belonging to an organization brings, `MEMBER_ACTIONS`, is no
 * grant of anybody's: who may let people in need not hold it.
 * @throws permission_denied naming the actions
 */
export function requireHeld({ authority }: Principal, orgId: string, actions: readonly Action[]): void {
  const lacking = actions.filter(
    (action) => !BASIC.has(action) && grants(authority, { kind: 'org', action, orgId }) !== 'granted',
  );
  if (lacking.length > 0)
    throw new AppError('permission_denied', `Nobody grants an action that they lack: ${lacking.join(', ')}`);
}

/** What a caller may do in the organization, whatever kind of caller it is. */
export const actionsHeld = ({ authority }: Principal, orgId: string): Action[] =>
  ACTIONS.filter((action) => grants(authority, { kind: 'org', action, orgId }) === 'granted').sort();
