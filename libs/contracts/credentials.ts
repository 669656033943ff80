/**
 * The wire of site credentials after the claim (docs/credentials.md): how a machine gets the next one, and proves it. Device API, so fields are in
 * snake_case. Times are RFC 3339.
 */

export const CREDENTIAL_PATHS = {
  /** POST {@link RenewRequest}, answered by {@link RenewedCredential}, bare, with 201. 403 `challenge_required` holds a {@link RenewChallenge} in `data`. */
  renew: '/api/v1/device/credential/renew',
} as const;

export const CREDENTIAL_LIMITS = {
  /** Ten years. */
  ttlSeconds: 315_360_000,
  /** Of certificates whose template says nothing. */
  certificateTtlSeconds: 90 * 86_400,
  renewGraceSeconds: 30 * 86_400,
  /** How long the credential before stays good once the next one was proved, where nobody says otherwise; at most 30 days. */
  overlapSeconds: 3_600,
  maxOverlapSeconds: 30 * 86_400,
} as const;

/** `data` of the 401 `credential_unusable` for who proves a credential that has expired and may still do one thing, renew. */
export type RenewableRefusal = { renewable: true };

/** Share of its life after which a credential is renewed, and over which share machines spread that: those that were claimed together stay apart. */
export const RENEW_AT = 2 / 3;
export const RENEW_SPREAD = 1 / 10;

/**
 * `csr`: PEM, for certificates, with the same key or a new one. `challenge`: what was sealed in the {@link RenewChallenge}. `bundle_key`: a new one,
 * which replaces the one that the challenge was sealed for.
 */
export type RenewRequest = { csr?: string; challenge?: string; bundle_key?: unknown };

/** A JWE (docs/instances.md §4) for the site's bundle key; what is in it is the answer, good for five minutes. */
export type RenewChallenge = { challenge: string };

/** Fields as in the answer of a claim; those of its kind. `expires_at` null: it has no end. */
export type RenewedCredential = {
  credential_type: 'api_key' | 'psk' | 'certificate' | 'newt';
  expires_at: string | null;
  api_key?: string;
  psk_identity?: string;
  psk?: string;
  certificate?: string;
  certificate_chain?: string;
  newt_id?: string;
  secret?: string;
};

/**
 * Server → agent: the next credential. `sealed` is the JSON of `credential` as a JWE for the site's bundle key, where it has one. With neither the agent
 * asks `renew` for it, since it takes something of the machine.
 */
export type AgentCredential = { credential?: RenewedCredential; sealed?: string };
