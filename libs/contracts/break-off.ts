/** A TCP socket of Node, as far as it is needed here: this library is for browsers, too. */
interface TcpSocket {
  readonly writableEnded: boolean;
  readonly writableLength: number;
  resetAndDestroy(): unknown;
  destroy(): unknown;
}

/** Ends a TCP connection with a reset, at once. One whose end is on its way has nothing to take back, and a reset would fail and leave it open. */
export function breakOff(socket: TcpSocket): void {
  if (socket.writableEnded && socket.writableLength === 0) socket.destroy();
  else socket.resetAndDestroy();
}
