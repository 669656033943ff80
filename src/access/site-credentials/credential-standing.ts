import type { CredentialKind } from '#contracts';

/** The next one is stored beside the current one until it was used once; the current one then becomes a previous one (docs/credentials.md §3). */
export type CredentialStage = 'next' | 'current' | 'previous';

/** Which site a credential belongs to. */
export interface SiteIdentity {
  siteId: number;
  orgId: string;
  credentialId: number;
  deviceId: string;
  niceId: string;
  kind: CredentialKind;
  /** Of a certificate: the authority that signed it. */
  caId: string | null;
}

/** A credential that was proved and is not good any more; an expired one may still do one thing, renew. */
export interface UnusableCredential {
  unusable: 'expired' | 'superseded';
  site: SiteIdentity;
}

/** What was found of a presented credential; null: nothing that anybody may be told of. */
export type Authenticated = SiteIdentity | UnusableCredential | null;

/** As PostgreSQL sees it: milliseconds from now, null for what has no end. */
export interface EndsOfRow {
  endsIn: number | null;
  expiresIn: number | null;
  renewableFor: number | null;
}

/** The same on the clock of this process that never jumps, so that a row that is remembered can be judged at each use. */
export interface Ends {
  endsAt: number;
  expiresAt: number;
  renewUntil: number;
}

/** @param asked when the row was asked for, by `performance.now()`: it is then never taken for good longer than PostgreSQL would. */
export const endsOf = ({ endsIn, expiresIn, renewableFor }: EndsOfRow, asked: number): Ends => ({
  endsAt: asked + (endsIn ?? Infinity),
  expiresAt: asked + (expiresIn ?? Infinity),
  renewUntil: asked + (renewableFor ?? Infinity),
});

/** @returns what a credential that is not revoked is good for now. `over`: it has expired, and its time to renew too. */
export function standingOf(
  { endsAt, expiresAt, renewUntil }: Ends,
  now: number,
): 'usable' | 'expired' | 'superseded' | 'over' {
  if (endsAt <= now) return 'superseded';
  if (expiresAt > now) return 'usable';
  return renewUntil > now ? 'expired' : 'over';
}
