import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { WebSocket, WebSocketServer } from 'ws';
import { AGENT_LIMITS, CLOSE } from '#contracts';
import { AppError, toAppError } from '#platform';
import { ConnectionCredentials } from '../../access/index.js';
import { ProfileBlueprints } from '../../provisioning/index.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { PresenceService } from '../presence/presence.service.js';
import { EventLoopQueue } from './event-loop-queue.js';
import { countMessage, MessageDispatch } from './message-dispatch.js';
import { MAX_BUFFERED, Session, type SessionSocket, type SocketEvents, socketClass } from './session.js';
import { SessionRegistry } from './session-registry.js';
import { UpgradeAuthentication } from './upgrade-authentication.js';
import { asksForWebsocket, refuseUpgrade, releaseSocket, type Upgrade } from './upgrade-router.js';
import { endInTurns } from './ws-internals.js';

/** Sessions whose end is handled in one turn of the event loop, when thousands are cut off at once. */
const ENDS_PER_TURN = 64;

/** No close frame came before the connection ended (RFC 6455 §7.1.5). */
const BROKEN = 1006;

/** Begins sessions: authenticates in the HTTP upgrade and accepts the websocket once the session is registered (docs/agent-protocol.md rules 2 to 4). */
@Injectable()
export class SessionHandshake {
  private readonly logger = new Logger(SessionHandshake.name);
  private readonly wss: WebSocketServer;
  private readonly endInTurns = endInTurns(new EventLoopQueue(ENDS_PER_TURN));

  constructor(
    private readonly authentication: UpgradeAuthentication,
    private readonly presence: PresenceService,
    private readonly registry: SessionRegistry,
    private readonly profiles: ProfileBlueprints,
    private readonly connection: ConnectionCredentials,
    dispatch: MessageDispatch,
    delivery: DeliveryService,
  ) {
    this.wss = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: AGENT_LIMITS.maxFrameBytes,
      autoPong: false,
      // One message of a session in a turn of the event loop: a megabyte of small ones would otherwise be one turn of seconds for everybody.
      allowSynchronousEvents: false,
      WebSocket: socketClass(eventsFor(registry, dispatch, delivery)),
    });
  }

  /** Answers an upgrade: 101 and a session, or an error envelope. */
  open(upgrade: Upgrade): void {
    this.begin(upgrade).catch((error: unknown) => {
      const refusal = toAppError(error);
      if (refusal.code === 'internal') this.logger.error({ err: error }, 'A session could not begin');
      refuseUpgrade(upgrade.socket, refusal);
    });
  }

  private async begin(upgrade: Upgrade): Promise<void> {
    const { request, socket, head } = upgrade;
    if (request.method !== 'GET' || !asksForWebsocket(request))
      throw new AppError('validation', 'This path speaks websocket (RFC 6455, version 13)');
    if (this.registry.draining) throw new AppError('shutting_down', 'The server is stopping', { retryAfter: 1 });
    const { siteId, credentialId, address } = await this.authentication.bearerOf(upgrade);
    const session = new Session(randomUUID(), siteId, credentialId, address, socket);
    await this.presence.arrive(session).catch((error: unknown) => this.refuse(session, error));
    if (session.ended || this.registry.draining || !socket.readable || !socket.writable) {
      this.presence.depart(session, 'not_accepted');
      if (session.ended) throw await this.authentication.refusalOf(session);
      throw new AppError('shutting_down', 'The server is stopping', { retryAfter: 1 });
    }
    releaseSocket(socket);
    this.wss.handleUpgrade(request, socket, head, (ws) => this.accept(session, ws as SessionSocket));
    // ws refused it after all.
    if (!session.ws) this.presence.depart(session, 'not_accepted');
  }

  /** A token was given for a credential: its site may be over since (docs/instances.md §3.3). */
  private async refuse(session: Session, error: unknown): Promise<never> {
    throw toAppError(error).code === 'credential_unusable' ? await this.authentication.refusalOf(session) : error;
  }

  private accept(session: Session, ws: SessionSocket): void {
    const older = this.registry.enter(session);
    this.connection.handedOver(session.socket);
    // ws has just added its listener.
    this.endInTurns(session.socket);
    session.ws = ws;
    ws.session = session;
    if (session.profileDue) this.profiles.soon(session.siteId);
    if (older) this.registry.end(older, 'replaced', CLOSE.replaced);
  }
}

/** One set of handlers for all sockets. */
function eventsFor(registry: SessionRegistry, dispatch: MessageDispatch, delivery: DeliveryService): SocketEvents {
  return {
    message({ session }, data, isBinary) {
      if (!session || session.ended) return;
      if (session.claiming && !session.heard) delivery.saveConnected(session.siteId);
      session.heard = true;
      dispatch.receive(session, data, isBinary);
    },
    ping(ws, data) {
      // Answered here and not by ws, which would buffer without bound for an agent that does not read.
      if (ws.bufferedAmount > MAX_BUFFERED) ws.session?.cutOff();
      else if (ws.readyState === WebSocket.OPEN) ws.pong(data);
    },
    error() {
      // ws closes the connection by itself (1009 for a frame that is too large, 1002, 1007).
      countMessage('frame', 'bad');
    },
    close({ session }, code) {
      if (session) registry.end(session, session.unread ? 'unread' : code === BROKEN ? 'connection_lost' : 'closed');
    },
  };
}
