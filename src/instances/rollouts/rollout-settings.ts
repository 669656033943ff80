import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsNumber, IsOptional, Max, Min } from 'class-validator';
import { MayBeAbsent } from '#platform';

/** How a change goes from site to site (docs/instances.md §5). */
export class RolloutSettings {
  /** How many sites get it first, alone; the others follow when these have answered [1]. */
  @MayBeAbsent()
  @IsInt()
  @Min(0)
  @Max(1000)
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 1000, default: 1 })
  canary?: number;
  /** Sites per minute after that [a tenth of them]; null: as fast as it goes. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1_000_000, nullable: true })
  perMinute?: number | null;
  /** It stops when more than so many of the sites that answered have failed [5]. */
  @MayBeAbsent()
  @IsNumber()
  @Min(0)
  @Max(100)
  @ApiPropertyOptional({ type: 'number', format: 'double', minimum: 0, maximum: 100, default: 5 })
  stopAtFailurePercent?: number;
}
