import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import { BodyExample, NoControlCharacters, OffsetPagination } from '#platform';
import { IsDomainName } from '../names.js';

export const DOMAIN_TYPES = ['ns', 'cname', 'wildcard'] as const;
export type DomainType = (typeof DOMAIN_TYPES)[number];
export const RECORD_TYPES = ['NS', 'CNAME', 'A', 'TXT'] as const;

/** What a domain's certificate is made with; kept for the edge. */
@BodyExample({ certResolver: 'letsencrypt', preferWildcardCert: true })
export class UpdateDomainBody {
  @IsOptional() @NoControlCharacters() @MaxLength(255) @IsString() certResolver?: string | null;
  @IsOptional() @IsBoolean() preferWildcardCert?: boolean | null;
}

@BodyExample({ type: 'wildcard', baseDomain: 'plant.example.com' })
export class CreateDomainBody extends UpdateDomainBody {
  @IsIn(DOMAIN_TYPES) @ApiProperty({ enum: DOMAIN_TYPES }) type: DomainType;
  /** At least two labels; stored in lower case. */
  @IsDomainName() baseDomain: string;
}

/** docs/integration-api.md §3.8 */
export class DomainView {
  domainId: string;
  baseDomain: string;
  /** From BASE_DOMAIN: every organization has it, nobody may delete it. */
  configManaged: boolean;
  @ApiProperty({ enum: [...DOMAIN_TYPES, null], nullable: true }) type: DomainType | null;
  verified: boolean;
  /** Verification was given up; `restart` begins anew. */
  failed: boolean;
  tries: number;
  certResolver: string | null;
  preferWildcardCert: boolean | null;
  /** Why the last check did not verify it. */
  errorMessage: string | null;
}

export class DomainList {
  domains: DomainView[];
  pagination: OffsetPagination;
}

export class NamedRecord {
  baseDomain: string;
  value: string;
}

/** The records that the owner of the domain has to make. */
export class CreatedDomain {
  domainId: string;
  @ApiPropertyOptional({ type: [String] }) nsRecords?: string[];
  @ApiPropertyOptional({ type: [NamedRecord] }) cnameRecords?: NamedRecord[];
  @ApiPropertyOptional({ type: [NamedRecord] }) aRecords?: NamedRecord[];
  @ApiPropertyOptional({ type: [NamedRecord] }) txtRecords?: NamedRecord[];
  certResolver: string | null;
  preferWildcardCert: boolean | null;
}

export class UpdatedDomain {
  domainId: string;
  certResolver: string | null;
  preferWildcardCert: boolean | null;
}

export class DnsRecordView {
  id: number;
  domainId: string;
  @ApiProperty({ enum: RECORD_TYPES }) recordType: (typeof RECORD_TYPES)[number];
  baseDomain: string;
  value: string;
  verified: boolean;
}

export class Done {
  @ApiProperty({ enum: [true] }) success: boolean;
}
