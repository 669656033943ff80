// A keep-alive HTTP/1.1 connection that costs next to nothing: the generator shares the processors with what it measures.
// One request at a time; answers must carry content-length (or no body), as Gatehouse's and the bare server's do.
import net from 'node:net';

const END = Buffer.from('\r\n\r\n');

/** @typedef {{ status: number, body: string }} Answer */

export class HttpConnection {
  /** @type {net.Socket | undefined} */
  #socket;
  #origin;
  /** @type {Buffer | null} */
  #received = null;
  /** @type {{ resolve(answer: Answer): void, reject(error: Error): void } | null} */
  #waiting = null;
  #open;

  /** @param {string} origin @param {() => net.Socket} [open] makes its connections, instead of TCP alone */
  constructor(origin, open) {
    this.#origin = new URL(origin);
    this.#open = open ?? (() => net.connect(Number(this.#origin.port), this.#origin.hostname));
  }

  /**
   * The answer, once all of it was read. Rejects when the connection breaks; the next call makes a new one.
   * @param {string} method
   * @param {string} path
   * @param {Record<string, string>} headers
   * @param {string} [body]
   * @returns {Promise<Answer>}
   */
  request(method, path, headers, body) {
    const socket = (this.#socket ??= this.#connect());
    let head = `${method} ${path} HTTP/1.1\r\nhost: ${this.#origin.host}\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    if (body !== undefined) head += `content-length: ${Buffer.byteLength(body)}\r\n`;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      socket.write(`${head}\r\n${body ?? ''}`);
    });
  }

  close() {
    this.#socket?.destroy();
  }

  #connect() {
    const socket = this.#open();
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#socket = undefined;
      this.#received = null;
      this.#takeWaiting()?.reject(new Error('connection closed'));
    });
    return socket;
  }

  /** @param {Buffer} chunk */
  #take(chunk) {
    const bytes = this.#received ? Buffer.concat([this.#received, chunk]) : chunk;
    this.#received = bytes;
    const end = bytes.indexOf(END);
    if (end < 0) return;
    const head = bytes.toString('latin1', 0, end);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (bytes.length < end + 4 + length) return;
    this.#received = null;
    if (/\r\nconnection: *close/i.test(head)) this.#socket?.end();
    this.#takeWaiting()?.resolve({
      status: Number(head.slice(9, 12)),
      body: bytes.toString('utf8', end + 4, end + 4 + length),
    });
  }

  #takeWaiting() {
    const waiting = this.#waiting;
    this.#waiting = null;
    return waiting;
  }
}
