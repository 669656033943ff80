import { ApiProperty } from '@nestjs/swagger';

/** Checks of a site, in the order in which they are causes: what comes later fails by what came before. */
export const SITE_CHECKS = [
  'organization',
  'claimed',
  'not_revoked',
  'not_suspended',
  'approved',
  'credential',
  'reclaim',
  'server',
  'connection',
  'copies',
  'duplicate_session',
  'state_applied',
  'bundle',
  'blueprint',
  'resources',
  'version',
] as const;
/** Likewise of a resource. */
export const RESOURCE_CHECKS = [
  'organization',
  'enabled',
  'domain',
  'maintenance',
  'targets',
  'sites',
  'target_health',
  'traffic',
] as const;
const CHECKS = [...new Set([...SITE_CHECKS, ...RESOURCE_CHECKS])];
const STATES = ['ok', 'failed', 'unknown'] as const;

export class DiagnosisFact {
  text: string;
  at: Date | null;
  address: string | null;
}

export class DiagnosisCheck {
  @ApiProperty({ enum: CHECKS }) check: (typeof CHECKS)[number];
  /** `unknown`: nothing can be said; the evidence says why. */
  @ApiProperty({ enum: STATES }) state: (typeof STATES)[number];
  /** Since when it is so, where that is known. */
  since: Date | null;
  evidence: DiagnosisFact[];
  /** What an operator can do about it. */
  nextStep: string | null;
}

export class Diagnosis {
  /** The first check that failed; null: none did. */
  @ApiProperty({ type: 'string', enum: CHECKS, nullable: true }) cause: DiagnosisCheck['check'] | null;
  checks: DiagnosisCheck[];
}
