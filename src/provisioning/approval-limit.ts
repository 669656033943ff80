/** Whether a key `k` under its template `t` has the bounds by which sites receive secrets at once (docs/instances.md §2 rule 7). */
export const BOUNDED =
  '(k.max_uses IS NOT NULL AND k.expires_at IS NOT NULL AND (k.one_time OR t.hardware_id_pattern IS NOT NULL))';

/** Whether its sites start pending although it approves: a profile that delivers secrets approves at once only for bounded keys. */
export const HELD_BACK = `(t.profile_id IS NOT NULL AND NOT ${BOUNDED}
      AND EXISTS (SELECT FROM profile_with_secrets w WHERE w.profile_id = t.profile_id))`;

const ALL_OF_IT = 'maxBatchSize, validUntil, and oneTime or a hardwareIdPattern';

/** What a key's answer says of that. */
export const KEY_LIMIT = `Its profile delivers secrets: sites start pending, since the key has not all of ${ALL_OF_IT}`;

/** What a template's answer says of it. */
export const TEMPLATE_LIMIT = `Its profile delivers secrets: sites of keys that have not all of ${ALL_OF_IT} start pending`;
