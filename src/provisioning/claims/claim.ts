import type { CredentialKind, TrustFingerprint } from '#contracts';
import type { Principal, SiteBundleKey, Thumbprints } from '#platform';
import type { ParsedCsr } from '../authority/csr.js';

export type ClaimEndpoint = 'device' | 'newt' | 'est';

/** One request to exchange a key, as an endpoint translated it. */
export interface ClaimRequest {
  door: ClaimEndpoint;
  /** The provisioning key as presented. */
  key: string;
  name: string | null;
  /** In the form of the key's template, once the key is known (docs/claims.md rule 33). */
  hardwareId: string | null;
  /** As it was sent, where that is another spelling. */
  sentHardwareId: string | null;
  /** SHA-256 of the claim nonce. */
  nonceHash: Buffer | null;
  csr: ParsedCsr | null;
  /** The machine wants its site removed when it has been offline for long (docs/claims.md rule 32). */
  ephemeral: boolean;
  /** The machine's public key, which its bundles are to be sealed for (docs/instances.md §3). */
  bundleKey: SiteBundleKey | null;
  /** What the machine was told to trust, and the name of the field that said so. */
  trust: { field: string; fingerprint: TrustFingerprint } | null;
  /** Source address. */
  address: string;
  /** The identity of the organization that the address of the request means; null: none that there is. */
  atOrg?: string | null;
}

/** Why a claim was refused. Private: the caller never learns it (docs/claims.md rule 2). */
export type RefusalReason =
  | 'malformed'
  | 'unknown_key'
  | 'wrong_secret'
  | 'retired_generation'
  | 'disabled'
  | 'revoked'
  | 'expired'
  | 'used_up'
  | 'door_closed'
  | 'pattern'
  | 'csr_missing'
  | 'other_kind'
  | 'other_organization'
  | 'recognised'
  | 'tombstoned'
  | 'reclaim_refused'
  | 'site_revoked'
  | 'public_key_taken'
  | 'contended'
  | 'org_gone';

/** What a device gets of a credential, by its kind. */
export type CredentialSecret =
  | { kind: 'api_key'; apiKey: string }
  | { kind: 'psk'; identity: string; psk: string }
  | { kind: 'certificate'; certificate: string; chain: string }
  | { kind: 'newt'; newtId: string; secret: string };

/** A credential as its device receives it, once. `expiresAt` null: it has no end. */
export type IssuedCredential = CredentialSecret & { expiresAt: Date | null };

/**
 * What became of an accepted claim. `ephemeralSeconds`: how long the site may be offline before it is removed; null: for ever. `thumbprints`: of the
 * keys that sign for its organization, for who can make use of them.
 */
export type ClaimResult = { ephemeralSeconds: number | null; thumbprints?: Thumbprints } & (
  | { outcome: 'created' | 'reissued'; siteId: number; deviceId: string; credential: IssuedCredential }
  | { outcome: 'recognised'; siteId: number; deviceId: string; credentialType: CredentialKind; newtId: string | null }
);

/** Thrown for every refusal; the endpoints turn it into the one uniform answer. */
export class ClaimRefused extends Error {
  constructor(
    readonly reason: RefusalReason,
    /** What is known of the key, for the private record. */
    readonly about: {
      orgId?: string;
      orgUid?: string;
      keyId?: string;
      generation?: number;
      templateId?: number;
      siteId?: number;
    } = {},
  ) {
    super('claim refused');
  }
}

/** What makes two claims the same device: the hardware id, or the nonce where there is none. */
export function anchor(hardwareId: string | null, nonceHash: Buffer | null): string | null {
  if (hardwareId !== null) return `h:${hardwareId}`;
  return nonceHash ? `n:${nonceHash.toString('hex')}` : null;
}

/** The audit's actor of a claim: a machine that has no account yet. */
export const claimant = (request: ClaimRequest, deviceId: string): Principal => ({
  authority: { kind: 'provisioningKey' },
  kind: 'agent',
  id: request.hardwareId ?? deviceId,
  name: request.name ?? deviceId,
  address: request.address,
});
