import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean } from 'class-validator';
import { BodyExample } from '#platform';

@BodyExample({ twoFactorSetupRequested: true })
export class TwoFactorBody {
  /** Not available yet: only false is accepted. */
  @IsBoolean()
  twoFactorSetupRequested: boolean;
}

export class TwoFactorView {
  userId: string;
  twoFactorSetupRequested: boolean;
}

/** A user of the installation; identity providers come later, so their fields are null. */
export class AnyUserView {
  userId: string;
  email: string;
  username: string;
  name: string | null;
  @ApiProperty({ enum: ['internal'] }) type: string;
  twoFactorEnabled: boolean;
  twoFactorSetupRequested: boolean;
  emailVerified: boolean;
  serverAdmin: boolean;
  idpId: number | null;
  idpName: string | null;
  dateCreated: Date;
}
