import { ApiProperty } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';
import { CREDENTIAL_LIMITS } from '#contracts';
import { BodyExample, MayBeAbsent } from '#platform';

/** Up to the longest life of a credential. */
const OVERLAP_SECONDS = { minimum: 0, maximum: CREDENTIAL_LIMITS.ttlSeconds };

@BodyExample({ overlapSeconds: 7_776_000 })
export class RotateAuthorityBody {
  /**
   * For how long certificates of the present authority are good beside those of the new one. Devices move by renewal: give it the life of their
   * certificates, unless the key has leaked.
   */
  @MayBeAbsent()
  @IsInt()
  @Min(OVERLAP_SECONDS.minimum)
  @Max(OVERLAP_SECONDS.maximum)
  @ApiProperty({
    required: false,
    type: 'integer',
    default: CREDENTIAL_LIMITS.certificateTtlSeconds,
    ...OVERLAP_SECONDS,
  })
  overlapSeconds?: number;
}

class AuthorityView {
  /** Names it in addresses and in its subject; tells nothing of the organization. */
  caId: string;
  /** `current` issues; certificates of `previous` are still good, those of `retired` are refused. */
  @ApiProperty({ enum: ['current', 'previous', 'retired'] }) state: string;
  /** PEM. */
  certificate: string;
  createdAt: Date;
  trustedUntil: Date | null;
  /** Sites with a good certificate of it and none of a later authority: of a previous one, those that have yet to renew. */
  @ApiProperty({ type: 'integer' }) sites: number;
}

export class AuthorityList {
  /** Newest first. */
  authorities: AuthorityView[];
}
