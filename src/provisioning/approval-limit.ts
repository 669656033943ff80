/**
 * Whether sites of a key `k` under its template `t` start pending although it approves: a profile that delivers secrets approves at once only
 * for bounded keys (docs/instances.md §2).
 */
export const HELD_BACK = `(t.profile_id IS NOT NULL AND NOT (k.max_uses IS NOT NULL AND k.expires_at IS NOT NULL AND (k.one_time OR t.hardware_id_pattern IS NOT NULL))
      AND EXISTS (SELECT FROM profile_with_secrets w WHERE w.profile_id = t.profile_id))`;

const BOUNDED = 'maxBatchSize, validUntil, and oneTime or a hardwareIdPattern';

/** What a key's answer says of that. */
export const KEY_LIMIT = `Its profile delivers secrets: sites start pending, since the key has not all of ${BOUNDED}`;

/** What a template's answer says of it. */
export const TEMPLATE_LIMIT = `Its profile delivers secrets: sites of keys that have not all of ${BOUNDED} start pending`;
