import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { WebSocket } from 'ws';
import { AGENT_MESSAGE, CLOSE } from '#contracts';
import { within } from '#platform';
import { DeliveryService } from '../delivery/delivery.service.js';
import { LeaseService } from '../presence/lease.service.js';
import { PresenceService } from '../presence/presence.service.js';
import { KeepAliveService } from './keep-alive.service.js';
import type { Session } from './session.js';
import { SessionRegistry } from './session-registry.js';

const WRITE_MS = 3000;
const CLOSE_MS = 2000;

/** How long agents may take to return, altogether: the more there are, the longer. @returns milliseconds. */
export const returnWindow = (sessions: number): number => Math.min(60_000, 1000 + 2 * sessions);

/** Sends every agent away in good order when the server stops (docs/agent-protocol.md rule 16). */
@Injectable()
export class ShutdownService implements BeforeApplicationShutdown {
  private readonly logger = new Logger(ShutdownService.name);

  constructor(
    private readonly registry: SessionRegistry,
    private readonly presence: PresenceService,
    private readonly delivery: DeliveryService,
    private readonly keepAlive: KeepAliveService,
    private readonly lease: LeaseService,
  ) {}

  async beforeApplicationShutdown(): Promise<void> {
    this.registry.draining = true;
    // Presence first: an agent that returns to another server at once must not take over from a session that is ending.
    await within(WRITE_MS, this.writeLast()).catch((error: unknown) =>
      this.logger.warn({ err: error }, 'Presence could not be written; the lease will put the sites offline'),
    );
    this.presence.stop();
    await this.sendAway();
  }

  private async writeLast(): Promise<void> {
    await Promise.all([this.keepAlive.stop(), this.delivery.stop()]);
    await this.presence.settled();
    await this.delivery.flushReports();
    await this.lease.end();
  }

  private async sendAway(): Promise<void> {
    const sessions = [...this.registry.open.values()];
    const window = returnWindow(sessions.length);
    await this.registry.eachInSlices((session) => {
      if (session.greeted) session.send(AGENT_MESSAGE.reconnect, { afterMs: Math.floor(Math.random() * window) });
      this.registry.end(session, 'server_stopped', CLOSE.restart);
    });
    const open = (session: Session) => session.ws !== null && session.ws.readyState !== WebSocket.CLOSED;
    for (const deadline = performance.now() + CLOSE_MS; sessions.some(open) && performance.now() < deadline; ) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const session of sessions) if (open(session)) session.ws?.terminate();
  }
}
