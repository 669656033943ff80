import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsString, Max, MaxLength, Min } from 'class-validator';
import { type BundleKey, CREDENTIAL_LIMITS, type CredentialKind } from '#contracts';
import { BodyExample, IsBundleKey, MayBeAbsent } from '#platform';
import { BundleKeyJwk } from '../../provisioning/index.js';

const KINDS = ['api_key', 'psk', 'certificate', 'newt'];

/** What a site asks its next credential with; all of it depends on the site. */
@BodyExample({})
export class RenewBody {
  /** PKCS#10 in PEM, with the same key or a new one; for certificates, and needed there. */
  @MayBeAbsent() @IsString() @MaxLength(16_384) csr?: string;
  /** What was sealed in `data.challenge` of the 403 `challenge_required`. */
  @MayBeAbsent() @IsString() @MaxLength(128) challenge?: string;
  /** Public key (JWK, OKP X25519 or EC P-256) that replaces the one which the challenge was sealed for. */
  @ApiProperty({ required: false, type: BundleKeyJwk }) @MayBeAbsent() @IsBundleKey() bundle_key?: BundleKey;
}

/** The next credential, beside the one that asked for it until it is used. */
export class RenewAnswer {
  @ApiProperty({ enum: KINDS }) credential_type: CredentialKind;
  /** When it expires; null: it has no end. */
  @ApiProperty({ type: 'string', format: 'date-time', nullable: true }) expires_at: string | null;
  api_key?: string;
  psk_identity?: string;
  /** 32 bytes, base64url. */
  psk?: string;
  /** PEM. */
  certificate?: string;
  /** PEM, up to the organization's CA. */
  certificate_chain?: string;
  newt_id?: string;
  secret?: string;
}

@BodyExample({ overlapSeconds: 3600 })
export class RotateCredentialBody {
  /** How long the present credential of a site stays good once its next one was used. */
  @MayBeAbsent()
  @IsInt()
  @Min(0)
  @Max(CREDENTIAL_LIMITS.maxOverlapSeconds)
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: CREDENTIAL_LIMITS.maxOverlapSeconds,
    default: CREDENTIAL_LIMITS.overlapSeconds,
  })
  overlapSeconds?: number;
}

const DELIVERIES = ['session', 'later', 'never'] as const;

/** A site that is to take another credential. */
export class RotationView {
  overlapSeconds: number;
  requestedAt: Date;
  /** When the next credential was last handed out over a session; null: not yet. */
  offeredAt: Date | null;
  /** How the site takes it: over the session that is open, when it connects or renews, or never, since an unmodified newt speaks for it. */
  @ApiProperty({ enum: DELIVERIES }) delivery: (typeof DELIVERIES)[number];
}

class CredentialItem {
  credentialId: number;
  @ApiProperty({ enum: KINDS }) kind: CredentialKind;
  /** `next`: not used yet; `previous`: another one took its place. */
  @ApiProperty({ enum: ['next', 'current', 'previous'] }) stage: string;
  /** `expired`: it may still be renewed until `renewUntil`. */
  @ApiProperty({ enum: ['usable', 'expired', 'superseded', 'revoked'] }) status: string;
  /** What is no secret: newt id, PSK identity, serial number of a certificate. */
  publicId: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  renewUntil: Date | null;
  /** Of a previous one. */
  endsAt: Date | null;
  revokedAt: Date | null;
  /** To about an hour. */
  lastUsedAt: Date | null;
  lastUsedAddress: string | null;
}

export class CredentialList {
  /** The newest hundred, those that are good first. */
  credentials: CredentialItem[];
  /** Another credential that was asked for and is not in use yet. */
  @ApiProperty({ type: () => RotationView, nullable: true }) rotation: RotationView | null;
}
