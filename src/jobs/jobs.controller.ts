import { Controller, Get, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
} from '#platform';
import { JobDetails, JobList, JobView, ListJobsQuery } from './jobs.dto.js';
import { JobsService } from './jobs.service.js';

@ApiTags('Jobs')
@Controller('org/:orgId/jobs')
export class JobsController {
  constructor(private readonly jobs: JobsService) {}

  /** List jobs, newest first */
  @Get()
  @Access('listJobs')
  @Returns(JobList, { message: 'Jobs retrieved successfully', exports: true })
  listJobs(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: ListJobsQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.jobs.list(principal, orgId, query, format);
  }

  /** Read a job, with what came of its items; the page is one of results */
  @Get(':jobId')
  @Access('getJob')
  @Returns(JobDetails, { message: 'Job retrieved successfully', exports: true })
  getJob(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('jobId') jobId: number,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.jobs.get(principal, orgId, jobId, page, format);
  }

  /** Stop a job so that it can go on; after the answer none of its steps runs */
  @Post(':jobId/pause')
  @Access('updateJob')
  @ErrorResponses(409)
  @Returns(JobView, { message: 'Job paused successfully' })
  pauseJob(@Caller() principal: Principal, @OrgId() orgId: string, @Id('jobId') jobId: number) {
    return this.jobs.change(principal, orgId, jobId, 'pause');
  }

  /** Let a paused job go on, with the authority of who created it */
  @Post(':jobId/resume')
  @Access('updateJob')
  @ErrorResponses(409)
  @Returns(JobView, { message: 'Job resumed successfully' })
  resumeJob(@Caller() principal: Principal, @OrgId() orgId: string, @Id('jobId') jobId: number) {
    return this.jobs.change(principal, orgId, jobId, 'resume');
  }

  /** End a job for good; what it has done stays done */
  @Post(':jobId/cancel')
  @Access('updateJob')
  @ErrorResponses(409)
  @Returns(JobView, { message: 'Job cancelled successfully' })
  cancelJob(@Caller() principal: Principal, @OrgId() orgId: string, @Id('jobId') jobId: number) {
    return this.jobs.change(principal, orgId, jobId, 'cancel');
  }
}
