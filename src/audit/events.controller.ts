import { Controller, Get, Headers, Query, Res, type StreamableFile } from '@nestjs/common';
import { ApiHeader, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { EventType } from '#contracts';
import {
  Access,
  Caller,
  type Columns,
  Db,
  ExportAs,
  type ExportFormat,
  Exports,
  OrgId,
  orgUidOf,
  type Principal,
  Returns,
  RootAccess,
} from '#platform';
import { formatCursor, NOW } from './event-cursor.js';
import { EventStreams } from './event-streams.js';
import { EventFeed, EventFilterQuery, EventQuery, type EventView, InstallationEventQuery } from './events.dto.js';
import { EventsRepository } from './events.repository.js';
import { readableTypes } from './readable-events.js';

const PAGE = 100;

const COLUMNS: Columns<EventView> = {
  cursor: true,
  id: true,
  createdAt: true,
  type: true,
  orgId: true,
  siteId: true,
  data: true,
};

@ApiTags('Audit and events')
@Controller()
export class EventsController {
  constructor(
    private readonly db: Db,
    private readonly repository: EventsRepository,
    private readonly streams: EventStreams,
    private readonly exports: Exports,
  ) {}

  /** Read the event feed after a cursor; it never skips a late commit; without what the caller may not list */
  @Get('org/:orgId/events')
  @Access('listEvents')
  @Returns(EventFeed, { message: 'Events retrieved successfully', exports: true })
  async listEvents(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() q: EventFilterQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<EventFeed | StreamableFile> {
    const types = readableTypes(principal, orgId, q.type);
    return this.answer(orgId, await orgUidOf(this.db.manager, principal, orgId), q, types, format);
  }

  /** Read the events that belong to no organization, or to one by its identity */
  @Get('events')
  @RootAccess('listEvents')
  @Returns(EventFeed, { message: 'Events retrieved successfully', exports: true })
  listInstallationEvents(
    @Query() { orgUid, ...q }: InstallationEventQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<EventFeed | StreamableFile> {
    return this.answer(null, orgUid ?? null, q, q.type && [q.type], format);
  }

  /** Follow the event feed as server-sent events; `Last-Event-ID` (or `after`) goes on from there */
  @Get('org/:orgId/events/stream')
  @Access('listEvents')
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'Cursor of the last event that was received' })
  @ApiResponse({
    status: 200,
    description: 'text/event-stream: id is the cursor, event the type, data the event as JSON',
    content: { 'text/event-stream': { schema: { type: 'string' } } },
  })
  async streamEvents(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() q: EventQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const types = readableTypes(principal, orgId, q.type);
    const stream = await this.streams.open(principal, orgId, lastEventId || q.after, types);
    await reply
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      .type('text/event-stream')
      .send(stream);
  }

  private answer(
    orgId: string | null,
    orgUid: string | null,
    q: EventFilterQuery,
    types: readonly EventType[] | undefined,
    format: ExportFormat | undefined,
  ): Promise<EventFeed | StreamableFile> {
    if (!format || q.after === NOW) return this.page(orgUid, q, types);
    return this.exports.start<EventView, string>(orgId, format, {
      name: 'events',
      columns: COLUMNS,
      page: (after, limit) =>
        this.repository.page(this.db.manager, orgUid, { ...q, after: after ?? q.after }, limit, types),
      keyOf: (event) => event.cursor,
    });
  }

  private async page(
    orgUid: string | null,
    q: EventFilterQuery,
    types: readonly EventType[] | undefined,
  ): Promise<EventFeed> {
    if (q.after === NOW) return { events: [], next: formatCursor(await this.repository.end(this.db.manager, orgUid)) };
    const events = await this.repository.page(this.db.manager, orgUid, q, q.limit ?? PAGE, types);
    return { events, next: events.at(-1)?.cursor ?? q.after ?? null };
  }
}
