import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, Id, OrgId, type Principal, Returns } from '#platform';
import { Diagnosis } from './diagnosis.dto.js';
import { DiagnosisService } from './diagnosis.service.js';

@ApiTags('Diagnosis')
@Controller()
export class DiagnosisController {
  constructor(private readonly diagnosis: DiagnosisService) {}

  /** Find out why a site is not online or not in service: the first check that failed is the cause */
  @Get('site/:siteId/diagnosis')
  @Access('getSite')
  @Returns(Diagnosis, { message: 'Diagnosis made successfully' })
  getSiteDiagnosis(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
  ): Promise<Diagnosis> {
    return this.diagnosis.ofSite(principal, orgId, siteId);
  }

  /** Find out why a public resource is not reached: the first check that failed is the cause */
  @Get('resource/:resourceId/diagnosis')
  @Access('listTargets')
  @Returns(Diagnosis, { message: 'Diagnosis made successfully' })
  getResourceDiagnosis(@OrgId() orgId: string, @Id('resourceId') resourceId: number): Promise<Diagnosis> {
    return this.diagnosis.ofResource(orgId, resourceId);
  }
}
