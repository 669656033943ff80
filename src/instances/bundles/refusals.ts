import { AppError } from '#platform';

/** Seconds until a site that waits for its approval looks again; a session tells it at once. */
const LOOK_AGAIN = 30;

/**
 * A site that is pending, or suspended: it gets neither bundle nor lease.
 * @param niceId by which an operator finds it
 */
export const notApproved = (niceId: string) =>
  new AppError('pending_approval', `The site waits for its approval: operators find it as ${niceId}`, {
    retryAfter: LOOK_AGAIN,
  });
