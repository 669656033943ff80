import { Controller, Get, Query, type StreamableFile } from '@nestjs/common';
import { ApiResponse, ApiTags } from '@nestjs/swagger';
import { Access, Caller, ErrorResponses, ExportAs, type ExportFormat, OrgId, type Principal, Returns } from '#platform';
import {
  AccessLogList,
  AccessLogQuery,
  LogAnalytics,
  LogAnalyticsQuery,
  RequestLogList,
  RequestLogQuery,
} from './logs.dto.js';
import { LogsService } from './logs.service.js';

const CSV = {
  status: 200,
  description: 'A line for each row',
  content: { 'text/csv': { schema: { type: 'string' } } },
} as const;

@ApiTags('Logs')
@Controller('org/:orgId/logs')
export class LogsController {
  constructor(private readonly logs: LogsService) {}

  /** Read which requests came to public resources, newest first */
  @Get('request')
  @Access('viewLogs')
  @Returns(RequestLogList, { message: 'Request logs retrieved successfully', exports: true })
  async listRequestLog(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() filter: RequestLogQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<RequestLogList | StreamableFile> {
    if (format) return this.logs.exportRequests(principal, orgId, filter, format);
    return this.logs.requests(principal, orgId, filter);
  }

  /** Export requests to public resources as CSV, whatever page is asked for */
  @Get('request/export')
  @Access('exportLogs')
  @ErrorResponses(429)
  @ApiResponse(CSV)
  exportRequestLog(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() filter: RequestLogQuery,
  ): Promise<StreamableFile> {
    return this.logs.exportRequests(principal, orgId, filter, 'csv');
  }

  /** Read how many requests came to public resources, by day, country and resource, and how much they brought and took */
  @Get('analytics')
  @Access('viewLogs')
  @Returns(LogAnalytics, { message: 'Request analytics retrieved successfully' })
  getLogAnalytics(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() asked: LogAnalyticsQuery,
  ): Promise<LogAnalytics> {
    return this.logs.analytics(principal, orgId, asked);
  }

  /** Read who logged in on public resources, or tried to, newest first */
  @Get('access')
  @Access('exportLogs')
  @Returns(AccessLogList, { message: 'Access logs retrieved successfully', exports: true })
  async listAccessLog(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() filter: AccessLogQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<AccessLogList | StreamableFile> {
    if (format) return this.logs.exportLogins(principal, orgId, filter, format);
    return this.logs.logins(principal, orgId, filter);
  }

  /** Export logins on public resources as CSV, whatever page is asked for */
  @Get('access/export')
  @Access('exportLogs')
  @ErrorResponses(429)
  @ApiResponse(CSV)
  exportAccessLog(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() filter: AccessLogQuery,
  ): Promise<StreamableFile> {
    return this.logs.exportLogins(principal, orgId, filter, 'csv');
  }
}
