import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsNotEmpty, IsString, Matches, MaxLength, MinLength } from 'class-validator';
import type { BundleKey } from '#contracts';
import { BodyExample, IsBundleKey, IsName, MayBeAbsent } from '#platform';

/** Stable id of the device: 1–128 printable ASCII characters (docs/claims.md "Words"). */
export const HARDWARE_ID = /^[\x20-\x7e]{1,128}$/;
/** 32 random bytes in base64url, padded or not. */
const NONCE = /^[A-Za-z0-9_-]{43}=?$/;

/** `TrustFingerprint`. */
const FINGERPRINT = /^[A-Za-z0-9_-]{43}(\.[A-Za-z0-9_-]{43})?$/;
const IS_FINGERPRINT = 'must be <thumbprint> or <thumbprint>.<next thumbprint>';

/** A public key of a machine, as the document shows it (RFC 8037, RFC 7518 §6.2). */
export class BundleKeyJwk {
  @ApiProperty({ enum: ['OKP', 'EC'] }) kty: string;
  @ApiProperty({ enum: ['X25519', 'P-256'] }) crv: string;
  x: string;
  /** Of P-256. */
  y?: string;
}

@BodyExample({
  provision_key: 'spk_x1fc4g3u7l71m5d.ujr2zq6praggl6677i752o5ofrysa2lp7oid2xlsei33itgvd26qgugtq7',
  device_name: 'press-14',
  hardware_id: '00:1b:44:11:3a:b7',
})
export class ProvisionBody {
  @IsString() @IsNotEmpty() @MaxLength(512) provision_key: string;
  @MayBeAbsent() @IsString() @MinLength(1) @MaxLength(255) @IsName() device_name?: string;
  /** 1 to 128 printable ASCII characters, compared byte for byte unless the key's template has a `hardwareIdForm`. */
  @Matches(HARDWARE_ID, { message: 'hardware_id must be 1 to 128 printable ASCII characters' }) hardware_id: string;
  /** 32 random bytes, base64url: lets a lost answer be asked for again. */
  @MayBeAbsent() @Matches(NONCE, { message: 'claim_nonce must be 32 bytes in base64url' }) claim_nonce?: string;
  /** PKCS#10 in PEM, for templates that issue certificates. */
  @MayBeAbsent() @IsString() @MaxLength(16_384) csr?: string;
  /** Remove the site when it has been offline for as long as the key's template says; without effect where that says nothing. */
  @MayBeAbsent() @IsBoolean() ephemeral?: boolean;
  /** Public key (JWK, OKP X25519 or EC P-256) that the device's bundles are to be sealed for. */
  @ApiProperty({ required: false, type: BundleKeyJwk }) @MayBeAbsent() @IsBundleKey() bundle_key?: BundleKey;
  /** What the device was told to trust: where that is no key of the organization, the claim is refused before anything is spent. */
  @MayBeAbsent() @Matches(FINGERPRINT, { message: `trust_fingerprint ${IS_FINGERPRINT}` }) trust_fingerprint?: string;
}

export class ProvisionAnswer {
  @ApiProperty({ format: 'uuid' }) device_id: string;
  /** The device API key, shown once; "" when nothing new was issued or the credential is of another kind. */
  api_key: string;
  @ApiProperty({ enum: ['api_key', 'psk', 'certificate', 'newt'] }) credential_type: string;
  psk_identity?: string;
  /** 32 bytes, base64url. */
  psk?: string;
  /** PEM. */
  certificate?: string;
  /** PEM, up to the organization's CA. */
  certificate_chain?: string;
  /** When the credential expires; absent: it has no end, or none was issued. */
  @ApiProperty({ format: 'date-time', required: false }) expires_at?: string;
  /** Only when `ephemeral: true` was sent: how long the site may be offline before it is removed; null: it stays. */
  @ApiProperty({ type: 'integer', nullable: true, required: false }) ephemeral_seconds?: number | null;
  /** RFC 7638 thumbprint of the key that signs what the device will be told. */
  signing_key_thumbprint: string;
  /** The same of the key that is committed to follow it. */
  next_signing_key_thumbprint: string;
}

/** The refusal of a device's claim: the same for every reason. */
export class DeviceRefusal {
  @ApiProperty({ enum: ['permission_denied'] }) error: string;
}

/** The answer to a device's claim when claims are not possible at the moment. */
export class DeviceUnavailable {
  @ApiProperty({ enum: ['capacity', 'claims_paused', 'database_unavailable', 'database_busy', 'database_full'] })
  error: string;
}

@BodyExample({
  provisioningKey: 'spk_x1fc4g3u7l71m5d.ujr2zq6praggl6677i752o5ofrysa2lp7oid2xlsei33itgvd26qgugtq7',
  name: 'press-14',
})
export class RegisterNewtBody {
  @IsString() @IsNotEmpty() @MaxLength(512) provisioningKey: string;
  @MayBeAbsent() @IsString() @MinLength(1) @MaxLength(255) @IsName() name?: string;
  /** Sent by Gatehouse's agent, not by newt. */
  @MayBeAbsent()
  @Matches(HARDWARE_ID, { message: 'hardwareId must be 1 to 128 printable ASCII characters' })
  hardwareId?: string;
  /** Sent by Gatehouse's agent, not by newt. */
  @MayBeAbsent() @Matches(NONCE, { message: 'claimNonce must be 32 bytes in base64url' }) claimNonce?: string;
  /** Sent by Gatehouse's agent, not by newt: remove the site when it has been offline for as long as the key's template says. */
  @MayBeAbsent() @IsBoolean() ephemeral?: boolean;
  /** Sent by Gatehouse's agent, not by newt: public key (JWK, OKP X25519 or EC P-256) that the machine's bundles are to be sealed for. */
  @ApiProperty({ required: false, type: BundleKeyJwk }) @MayBeAbsent() @IsBundleKey() bundleKey?: BundleKey;
  /** Sent by Gatehouse's agent, not by newt: what it was told to trust; where that is no key of the organization, nothing is spent. */
  @MayBeAbsent() @Matches(FINGERPRINT, { message: `trustFingerprint ${IS_FINGERPRINT}` }) trustFingerprint?: string;
}

export class RegisterNewtAnswer {
  newtId: string;
  /** "" on a recognised re-claim. */
  secret: string;
  /** When the credential expires; absent: it has no end, or none was issued. */
  @ApiProperty({ format: 'date-time', required: false }) expiresAt?: string;
  /** Only when `ephemeral: true` was sent: how long the site may be offline before it is removed; null: it stays. */
  @ApiProperty({ type: 'integer', nullable: true, required: false }) ephemeralSeconds?: number | null;
  /** Only when a `bundleKey` was sent: RFC 7638 thumbprint of the key that signs what the machine will be told. */
  signingKeyThumbprint?: string;
  /** Likewise of the key that is committed to follow it. */
  nextSigningKeyThumbprint?: string;
}
