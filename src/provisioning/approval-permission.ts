import { grants } from '#contracts';
import { AppError, type Principal } from '#platform';

/** Whether somebody may have sites approved: to approve is `updateSite` (docs/claims.md rule 18), by hand or by a key or template that does so at once. */
export const mayApprove = ({ authority }: Principal, orgId: string): boolean =>
  grants(authority, { kind: 'org', action: 'updateSite', orgId }) === 'granted';

/** For who asks for that and may not. */
export const refuseApproval = () =>
  new AppError('permission_denied', 'A key or template with approveNewSites: true needs the action updateSite', {
    fields: [{ path: 'approveNewSites', problem: 'needs the action updateSite' }],
  });
