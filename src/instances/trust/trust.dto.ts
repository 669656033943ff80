import { ApiProperty } from '@nestjs/swagger';

export class SigningKeyView {
  /** RFC 7638 thumbprint. */
  kid: string;
  /** Counts the keys of the organization, from 1 on. */
  seq: number;
  @ApiProperty({ enum: ['next', 'current', 'retired'] }) state: string;
  /** The private half of the next key was taken out by `npm run admin -- export-next-key`. */
  keptApart: boolean;
  createdAt: Date;
  retiredAt: Date | null;
}

export class SigningKeysView {
  /** Thumbprint of the key that signs. */
  current: string;
  /** Thumbprint of the key that follows it. */
  next: string;
  /** What a machine is told to trust: `--trust-fingerprint` of the agent. */
  trustFingerprint: string;
  /** Oldest first. */
  keys: SigningKeyView[];
}

/** Public half of a signing key (RFC 8037). */
export class SigningJwkView {
  @ApiProperty({ enum: ['OKP'] }) kty: string;
  @ApiProperty({ enum: ['Ed25519'] }) crv: string;
  x: string;
  /** RFC 7638 thumbprint. */
  kid: string;
  seq: number;
}

export class TrustView {
  /** The keys that signed for the organization, oldest first. */
  keys: SigningJwkView[];
  /** Statements (JWS, `gatehouse-succession+jws`) that lead from the first key to the current one. */
  successions: string[];
}
