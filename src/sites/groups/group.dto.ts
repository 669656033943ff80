import { PartialType } from '@nestjs/swagger';
import { IsNotEmpty, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { BodyExample, IsName, OffsetPagination } from '#platform';

@BodyExample({ name: 'Line 4', description: 'Presses and conveyors of line 4' })
export class CreateGroupBody {
  /** Unique in the organization; not digits alone, because a filter takes a group's name or number. */
  @Matches(/\D/, { message: '$property must not be digits alone' })
  @IsName()
  @MaxLength(255)
  @IsNotEmpty()
  @IsString()
  name: string;
  @IsOptional() @MaxLength(2000) @IsString() description?: string | null;
}

@BodyExample({ description: 'Presses, conveyors and the oven of line 4' })
export class UpdateGroupBody extends PartialType(CreateGroupBody, { skipNullProperties: false }) {}

export class GroupView {
  groupId: number;
  orgId: string;
  name: string;
  description: string | null;
  siteCount: number;
  createdAt: Date;
}

export class GroupList {
  groups: GroupView[];
  pagination: OffsetPagination;
}
