import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsNotEmpty, IsString, Max, MaxLength, Min } from 'class-validator';
import { BodyExample, MayBeAbsent, OffsetPagination } from '#platform';
import { MATCHES, type Match } from './rule-values.js';

export const ACTIONS = ['ACCEPT', 'DROP', 'PASS'] as const;
export type RuleAction = (typeof ACTIONS)[number];
const MAX_INT = 2_147_483_647;
const MIN_INT = -MAX_INT;

/** docs/integration-api.md §3.7 */
@BodyExample({ action: 'ACCEPT', match: 'CIDR', value: '192.0.2.0/24', priority: 10, enabled: true })
export class CreateRuleBody {
  @IsIn(ACTIONS) @ApiProperty({ enum: ACTIONS }) action: RuleAction;
  @IsIn(MATCHES) @ApiProperty({ enum: MATCHES }) match: Match;
  /** What `match` compares with. */
  @MaxLength(2000) @IsNotEmpty() @IsString() value: string;
  /** Rules are tried from the lowest number on. */
  @Max(MAX_INT) @Min(MIN_INT) @IsInt() priority: number;
  @MayBeAbsent() @IsBoolean() enabled?: boolean;
}

@BodyExample({ value: '198.51.100.0/24', priority: 10 })
export class UpdateRuleBody {
  @MayBeAbsent() @IsIn(ACTIONS) @ApiPropertyOptional({ enum: ACTIONS }) action?: RuleAction;
  @MayBeAbsent() @IsIn(MATCHES) @ApiPropertyOptional({ enum: MATCHES }) match?: Match;
  @MayBeAbsent() @MaxLength(2000) @IsNotEmpty() @IsString() value?: string;
  @Max(MAX_INT) @Min(MIN_INT) @IsInt() priority: number;
  @MayBeAbsent() @IsBoolean() enabled?: boolean;
}

export class RuleView {
  ruleId: number;
  resourceId: number;
  @ApiProperty({ enum: ACTIONS }) action: RuleAction;
  @ApiProperty({ enum: MATCHES }) match: Match;
  value: string;
  priority: number;
  enabled: boolean;
}

export class RuleList {
  @ApiProperty({ type: [RuleView] }) rules: RuleView[];
  pagination: OffsetPagination;
}
