import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { WebSocket } from 'ws';
import { AGENT_MESSAGE, CLOSE } from '#contracts';
import { Drain } from '#platform';
import { DeliveryService } from '../delivery/delivery.service.js';
import { SessionHealth } from '../health/session-health.service.js';
import { PresenceService } from '../presence/presence.service.js';
import { KeepAliveService } from './keep-alive.service.js';
import type { Session } from './session.js';
import { SessionRegistry } from './session-registry.js';

const CLOSE_MS = 2000;

/** How long agents may take to return, altogether: the more there are, the longer. @returns milliseconds. */
export const returnWindow = (sessions: number): number => Math.min(60_000, 1000 + 2 * sessions);

/**
 * Sends every agent away in good order when the server stops (docs/agent-protocol.md rule 16). Sites go offline before that, with the lease: an agent
 * that returns to another server at once must not take over from a session that is ending.
 */
@Injectable()
export class SessionDrain {
  constructor(
    private readonly registry: SessionRegistry,
    private readonly presence: PresenceService,
    private readonly delivery: DeliveryService,
    private readonly keepAlive: KeepAliveService,
    health: SessionHealth,
    drain: Drain,
  ) {
    drain.register('stop accepting', 'sessions', () => this.acceptNone());
    drain.register('tell sessions', 'sessions', () => this.sendAway());
    drain.register('flush', 'reports of agents', () => this.delivery.flushReports());
    drain.register('flush', 'health of targets', () => health.flush());
  }

  private async acceptNone(): Promise<void> {
    this.registry.draining = true;
    await Promise.all([this.keepAlive.stop(), this.delivery.stop()]);
    await this.presence.settled();
  }

  private async sendAway(): Promise<string | undefined> {
    // What is left of departures is settled by the lease.
    await this.presence.stop();
    const sessions = [...this.registry.open.values()];
    const window = returnWindow(sessions.length);
    await this.registry.eachInSlices((session) => {
      if (session.greeted) session.send(AGENT_MESSAGE.reconnect, { afterMs: Math.floor(Math.random() * window) });
      this.registry.end(session, 'server_stopped', CLOSE.restart);
    });
    const open = (session: Session) => session.ws !== null && session.ws.readyState !== WebSocket.CLOSED;
    for (const deadline = performance.now() + CLOSE_MS; sessions.some(open) && performance.now() < deadline; ) {
      await delay(20);
    }
    const silent = sessions.filter(open);
    for (const session of silent) session.ws?.terminate();
    return silent.length > 0 ? `${silent.length} sessions did not answer the close and were cut` : undefined;
  }
}
