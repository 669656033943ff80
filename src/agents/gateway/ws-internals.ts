import type { Socket } from 'node:net';
import type { EventLoopQueue } from './event-loop-queue.js';

/**
 * What is used of ws beyond what it documents. `ws-internals.spec.ts` shows that the installed version is built so. It does document that a
 * websocket emits its events by `emit`, which `socketClass` overrides.
 */

/** Puts turns before what ws does when the peer has closed a connection: the listener for `end` that it added to the socket last. */
export function endInTurns(turns: EventLoopQueue): (socket: Socket) => void {
  let handle: () => void;
  // Listeners are shared by all sockets.
  function onEnd(this: Socket): void {
    turns.enter(() => {
      if (!this.destroyed) handle.call(this);
    });
  }
  return (socket) => {
    handle = endListenerOf(socket);
    socket.removeListener('end', handle);
    socket.on('end', onEnd);
  };
}

/** What ws does when a connection ends; its socket was just handed over to ws. */
export const endListenerOf = (socket: Pick<Socket, 'listeners'>): (() => void) =>
  socket.listeners('end').at(-1) as () => void;
