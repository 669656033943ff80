import type { SiteField } from '#bootstrap';

/** One secret as a bundle holds it: which one, and which version of it. */
export interface SecretInput {
  secretId: number;
  secretVersionId: number;
  version: number;
}

/**
 * What a version of a site's bundle is made from. Two bundles are the same when these are; values of secrets are never compared.
 * `site` and `labels` hold only what the document names; a label that the site has not is null.
 */
export interface BundleInputs {
  profileId: number | null;
  /** Null: the profile has no bootstrap, and the bundle is empty. */
  revision: number | null;
  secrets: Record<string, SecretInput>;
  site: Partial<Record<SiteField, string | null>>;
  labels: Record<string, string | null>;
}

/** The secret versions among the inputs, in order. */
export const secretVersionsOf = (inputs: BundleInputs): number[] =>
  Object.values(inputs.secrets)
    .map(({ secretVersionId }) => secretVersionId)
    .sort((a, b) => a - b);
