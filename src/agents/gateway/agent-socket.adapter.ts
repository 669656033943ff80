import type { Server } from 'node:http';
import type { INestApplication, WebSocketAdapter } from '@nestjs/common';
import type { WsMessageHandler } from '@nestjs/common/interfaces/websockets/web-socket-adapter.interface.js';
import type { Observable } from 'rxjs';
import { type Incoming, MessageDispatch } from './message-dispatch.js';
import { SessionHandshake } from './session-handshake.js';
import { UpgradeRouter } from './upgrade-router.js';

/** What a handler answers; sent to the session that asked. */
export interface Reply {
  type: string;
  data: unknown;
}

/**
 * Nest's websocket gateways on our own upgrade listener. Nest binds every handler to every client it is shown, which is most of the memory
 * of an idle session; so it is shown one client, the dispatch map, and the session comes with each message.
 */
export class AgentSocketAdapter implements WebSocketAdapter<UpgradeRouter, MessageDispatch, { path?: string }> {
  private readonly router: UpgradeRouter;
  private readonly dispatch: MessageDispatch;
  private readonly door: SessionHandshake;

  /** @param servers whose upgrades it takes */
  constructor(app: INestApplication, servers: Server[]) {
    this.router = app.get(UpgradeRouter);
    this.dispatch = app.get(MessageDispatch);
    this.door = app.get(SessionHandshake);
    for (const server of servers) this.router.attach(server);
  }

  create(_port: number, options: { path?: string } = {}): UpgradeRouter {
    if (!options.path) throw new Error('A gateway names its path');
    this.router.register(options.path, (upgrade) => this.door.open(upgrade));
    return this.router;
  }

  bindClientConnect(_server: UpgradeRouter, connect: (client: MessageDispatch) => void): void {
    connect(this.dispatch);
  }

  bindMessageHandlers(
    dispatch: MessageDispatch,
    handlers: WsMessageHandler[],
    transform: (data: unknown) => Observable<Reply | undefined>,
  ): void {
    for (const { message, callback } of handlers) {
      dispatch.add(message, (incoming: Incoming) => {
        const { session } = incoming;
        transform(callback(incoming, message)).subscribe((reply) => reply && session.send(reply.type, reply.data));
      });
    }
  }

  /** Sessions are closed by SessionDrain, before this is called. */
  close(): void {}

  dispose(): void {}
}
