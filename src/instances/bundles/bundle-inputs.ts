/** One secret as a bundle holds it: which one, and which version of it. */
export interface SecretInput {
  secretId: number;
  secretVersionId: number;
  version: number;
}

/**
 * What a version of a site's bundle is made from. Two bundles are the same when these are; values of secrets are never compared.
 * `site` and `labels` hold only what the document names.
 */
export interface BundleInputs {
  profileId: number | null;
  /** Null: the profile has no bootstrap, and the bundle is empty. */
  revision: number | null;
  secrets: Record<string, SecretInput>;
  site: Partial<Record<'name' | 'niceId' | 'deviceId' | 'hardwareId', string | null>>;
  labels: Record<string, string>;
}
