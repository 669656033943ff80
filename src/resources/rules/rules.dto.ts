import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsNotEmpty, IsString, MaxLength } from 'class-validator';
import { INTS, MAX_RULE_VALUE, RULE_MATCHES, type RuleMatch } from '#blueprint';
import { BodyExample, IntField, MayBeAbsent, OffsetPagination } from '#platform';

export const ACTIONS = ['ACCEPT', 'DROP', 'PASS'] as const;
export type RuleAction = (typeof ACTIONS)[number];

/** docs/integration-api.md §3.7 */
@BodyExample({ action: 'ACCEPT', match: 'CIDR', value: '192.0.2.0/24', priority: 10, enabled: true })
export class CreateRuleBody {
  @IsIn(ACTIONS) @ApiProperty({ enum: ACTIONS }) action: RuleAction;
  @IsIn(RULE_MATCHES) @ApiProperty({ enum: RULE_MATCHES }) match: RuleMatch;
  /** What `match` compares with. */
  @MaxLength(MAX_RULE_VALUE) @IsNotEmpty() @IsString() value: string;
  /** Rules are tried from the lowest number on. */
  @IntField(INTS.rulePriority) priority: number;
  @MayBeAbsent() @IsBoolean() enabled?: boolean;
}

@BodyExample({ value: '198.51.100.0/24', priority: 10 })
export class UpdateRuleBody {
  @MayBeAbsent() @IsIn(ACTIONS) @ApiPropertyOptional({ enum: ACTIONS }) action?: RuleAction;
  @MayBeAbsent() @IsIn(RULE_MATCHES) @ApiPropertyOptional({ enum: RULE_MATCHES }) match?: RuleMatch;
  @MayBeAbsent() @MaxLength(MAX_RULE_VALUE) @IsNotEmpty() @IsString() value?: string;
  @IntField(INTS.rulePriority) priority: number;
  @MayBeAbsent() @IsBoolean() enabled?: boolean;
}

export class RuleView {
  ruleId: number;
  resourceId: number;
  @ApiProperty({ enum: ACTIONS }) action: RuleAction;
  @ApiProperty({ enum: RULE_MATCHES }) match: RuleMatch;
  value: string;
  priority: number;
  enabled: boolean;
}

export class RuleList {
  @ApiProperty({ type: [RuleView] }) rules: RuleView[];
  pagination: OffsetPagination;
}
