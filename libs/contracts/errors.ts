/**
 * Error codes of the API and the HTTP status each is answered with.
 * A code is stable; the message beside it may change.
 */
export const ERROR_STATUS = {
  validation: 400,
  not_available: 400,
  unauthenticated: 401,
  credential_unusable: 401,
  invalid_provisioning_key: 401,
  permission_denied: 403,
  csrf: 403,
  org_closed: 403,
  pending_approval: 403,
  lease_held: 403,
  challenge_required: 403,
  not_found: 404,
  method_not_allowed: 405,
  timeout: 408,
  conflict: 409,
  bundle_key_missing: 409,
  bundle_unusable: 409,
  precondition_failed: 412,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  headers_too_large: 431,
  internal: 500,
  capacity: 503,
  claims_paused: 503,
  out_of_service: 503,
  database_unavailable: 503,
  database_busy: 503,
  database_full: 503,
  shutting_down: 503,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;
