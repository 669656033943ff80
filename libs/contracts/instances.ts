/**
 * The wire between server and instance (docs/instances.md): what a process that starts only with a valid key fetches, and what it proves.
 * JOSE objects are compact serializations (RFC 7515, RFC 7516); payloads are JSON. Times are seconds since 1970 (RFC 7519 NumericDate).
 */

export const INSTANCE_PATHS = {
  /** GET: the bundle as `application/jose`, with an ETag; 304 for `If-None-Match`. 403 `pending_approval` with Retry-After. */
  bundle: '/api/v1/device/bundle',
  /** POST {@link BundleAck}: 204. */
  bundleAck: '/api/v1/device/bundle/ack',
  /** POST {@link LeaseRequest}, answered by {@link LeaseAnswer} in the envelope. */
  lease: '/api/v1/device/lease',
  /** GET: {@link Trust} in the envelope. */
  trust: '/api/v1/device/trust',
} as const;

/** `typ` of each kind of JWS, which tells apart what one signing key signs. */
export const JOSE_TYPE = {
  bundle: 'gatehouse-bundle+jws',
  lease: 'gatehouse-lease+jws',
  revocation: 'gatehouse-revocation+jws',
  succession: 'gatehouse-succession+jws',
} as const;

/** What a bundle is signed and sealed with; nothing else is read (`Ed25519`, RFC 9864, is read for `EdDSA`). */
export const BUNDLE_ALGORITHMS = { sign: 'EdDSA', agree: 'ECDH-ES', encrypt: 'A256GCM' } as const;

/** A version of a bundle is epoch * 2^32 + n: it only grows, also after a restore from a backup. */
export const EPOCH = 2 ** 32;

/** As people read one: `epoch.n`, so 4294967297 is `1.1`. */
export const bundleVersionText = (version: number): string => `${Math.floor(version / EPOCH)}.${version % EPOCH}`;

export const INSTANCE_LIMITS = {
  secretBytes: 64 * 1024,
  documentBytes: 256 * 1024,
  bundleBytes: 1024 * 1024,
  dependencies: 64,
  /** 30 days. */
  offlineGraceSeconds: 30 * 86_400,
  leaseSeconds: 86_400,
  redirects: 5,
} as const;

/** Public key of a site, whose private half never leaves the machine (RFC 8037, RFC 7518 §6.2). */
export type BundleKey = { kty: 'OKP'; crv: 'X25519'; x: string } | { kty: 'EC'; crv: 'P-256'; x: string; y: string };

/** Public half of a signing key (RFC 8037). */
export type SigningJwk = { kty: 'OKP'; crv: 'Ed25519'; x: string };

export const TEXT_FILTERS = ['json', 'shell', 'uri', 'yaml', 'base64'] as const;
export type TextFilter = (typeof TEXT_FILTERS)[number];

/** A place that the agent fills from its own environment. `line` and `column` are those of the bootstrap document. */
export type EnvPart = { env: string; default?: string; filters?: TextFilter[]; line: number; column: number };
/** Text as the server sends it: literal parts are never read as templates again. */
export type BundleText = (string | EnvPart)[];

export type BundleFile = { path: string; mode: string; content: BundleText };
export type BundleDependency = {
  name: string;
  url: BundleText;
  sha256: string;
  size: number;
  path: string;
  mode: string;
};
export type Ready = ({ afterSeconds: number } | { http: string } | { file: string }) & { timeoutSeconds: number };
export type BundleRun = {
  /** `restart`, `hold` or `signal:SIGHUP`. */
  onChange: string;
  /** `stop`, `ignore` or `signal:SIGTERM`. */
  onRevoke: string;
  onExpire: 'keep' | 'stop';
  ready: Ready;
  stopGraceSeconds: number;
  offlineGraceSeconds: number;
};

/** Payload of a bundle's JWS. */
export type BundlePayload = {
  /** Identity of the organization. */
  iss: string;
  /** The device id of the site, which is the audience too. */
  sub: string;
  aud: string;
  ver: number;
  /** 128 random bits, base64url: no digest of a bundle can be guessed against. */
  rnd: string;
  /** RFC 7638 thumbprint of the site's bundle key (RFC 7800); absent where it has none. */
  cnf?: { jkt: string };
  /** Thumbprints of the signing keys that follow the one that signed. */
  keys: string[];
  env: Record<string, BundleText>;
  files: BundleFile[];
  config: unknown;
  dependencies: BundleDependency[];
  run: BundleRun;
};

/** `fetched`: signature, trust and form are right. `applied`: the process is ready with it. */
export type BundleAckState = 'fetched' | 'applied' | 'failed';
/** Over HTTP, or as `agent/bundle` over the session. `digest` is SHA-256 of the JWS, base64url. */
export type BundleAck = { version: number; digest: string; state: BundleAckState; reason?: string };

/** `prev` is the `jti` of the lease before, null for the first; `ver` the version held, 0 for none. */
export type LeaseRequest = { nonce: string; prev: string | null; ver: number };
export type LeaseAnswer = { lease: string };
/** Payload of a lease's JWS. `digest` is that of the bundle `ver` as it was fetched last; empty before. */
export type LeasePayload = {
  iss: string;
  sub: string;
  ver: number;
  digest: string;
  nonce: string;
  jti: string;
  prev: string | null;
  iat: number;
  exp: number;
};

export type RevocationReason = 'revoked' | 'rejected' | 'deleted' | 'expired';
/** Payload of a revocation's JWS. `sub` is the device id. */
export type RevocationPayload = { iss: string; sub: string; iat: number; reason: RevocationReason };
/**
 * In `data` of the 401 for who proves a revoked credential, and as `agent/revoked` before close 4003. `successions` lead from whatever key
 * the instance trusts to the one that signed.
 */
export type RevocationNotice = { revocation: string; successions: string[] };

/** Payload of a succession: `key` is the next signing key, `next` the thumbprint of the one after. Signed by the key before. */
export type SuccessionPayload = { iss: string; seq: number; key: SigningJwk; next: string };
/** All signing keys of an organization, oldest first: `keys[0]` and the successions from it lead to the current one. */
export type Trust = { keys: (SigningJwk & { kid: string; seq: number })[]; successions: string[] };

/**
 * What an instance is told to trust: the thumbprint of a signing key, and of the one committed to follow it, `<thumbprint>` or
 * `<thumbprint>.<thumbprint>`. With both, a thief of the first cannot name its successor.
 */
export type TrustFingerprint = string;
