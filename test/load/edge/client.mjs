// A generator that costs little, over bare sockets: requests made beforehand, answers read only as far as they must be.
import net from 'node:net';
import tls from 'node:tls';
import { quantiles } from '../lib.mjs';

const END = Buffer.from('\r\n\r\n');
const OK = Buffer.from('HTTP/1.1 200');
/** Of the answer to `GET /200`. */
const BODY = 200;
const block = Buffer.alloc(256 * 1024, 'u');

/**
 * @typedef {{ port: number, host: string, tls?: boolean, cookie?: string }} Way to a web server; `host` is what the field says
 * @typedef {import('node:net').Socket} Socket
 */

/** @param {Way} way @returns {Socket} */
export function connect({ port, tls: secure, host }) {
  const to = { port, host: '127.0.0.1', noDelay: true };
  return secure
    ? tls.connect({ ...to, rejectUnauthorized: false, servername: host, ALPNProtocols: ['http/1.1'] })
    : net.connect(to);
}

/** @param {Way} way @param {string} line method and path @param {string} [fields] each with its CRLF */
export function request({ host, cookie }, line, fields = '') {
  return Buffer.from(
    `${line} HTTP/1.1\r\nhost: ${host}\r\n${cookie ? `cookie: ${cookie}\r\n` : ''}${fields}\r\n`,
    'latin1',
  );
}

/**
 * One small GET after the other over a kept connection.
 * @param {Way} way
 * @param {(ms: number) => boolean} answered says whether to go on
 * @param {number} [pauseMs] between an answer and the next request
 */
export function small(way, answered, pauseMs) {
  const asked = request(way, 'GET /200');
  return new Promise((done, failed) => {
    const socket = connect(way);
    /** @type {Buffer | undefined} */
    let rest;
    let at = performance.now();
    const ask = () => {
      at = performance.now();
      socket.write(asked);
    };
    socket.on('data', (chunk) => {
      const bytes = rest ? Buffer.concat([rest, chunk]) : chunk;
      const end = bytes.indexOf(END);
      const left = end < 0 ? BODY : end + END.length + BODY - bytes.length;
      if (left < 0 || (end >= 0 && bytes.compare(OK, 0, OK.length, 0, OK.length) !== 0))
        return void socket.destroy(new Error(`A small GET was answered ${bytes.toString('latin1').slice(0, 300)}`));
      rest = left > 0 ? bytes : undefined;
      if (rest) return;
      if (answered(performance.now() - at)) {
        if (pauseMs === undefined) ask();
        else setTimeout(ask, pauseMs);
      } else {
        done(undefined);
        socket.destroy();
      }
    });
    socket.on('error', failed).on('close', () => failed(new Error('a connection was closed')));
    socket.once(way.tls ? 'secureConnect' : 'connect', ask);
  });
}

/** Reads so many bytes. @param {Way} way @param {number} count @param {(bytes: number) => void} [came] */
export function download(way, count, came) {
  return new Promise((done, failed) => {
    const socket = connect(way);
    socket.write(request(way, `GET /bytes/${count}`));
    let got = -1;
    socket.on('data', (chunk) => {
      if (got < 0) {
        const end = chunk.indexOf(END);
        if (end < 0 || chunk.compare(OK, 0, OK.length, 0, OK.length) !== 0)
          return void socket.destroy(new Error(`A download was answered ${chunk.toString('latin1').slice(0, 300)}`));
        got = -end - END.length;
        if (got < 0) got += chunk.length;
      } else got += chunk.length;
      came?.(chunk.length);
      if (got < count) return;
      done(undefined);
      socket.destroy();
    });
    socket.on('error', failed).on('close', () => failed(new Error('a download was cut')));
  });
}

/** Sends so many bytes, until the target says that it has them. @param {Way} way @param {number} count */
export function upload(way, count) {
  return new Promise((done, failed) => {
    const socket = connect(way);
    socket.write(request(way, 'POST /sink', `content-length: ${count}\r\n`));
    let left = count;
    const go = () => {
      while (left > 0) {
        const part = left >= block.length ? block : block.subarray(0, left);
        left -= part.length;
        if (!socket.write(part)) return void socket.once('drain', go);
      }
    };
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (!text.includes(`{"bytes":${count}}`)) return;
      done(undefined);
      socket.destroy();
    });
    socket.on('error', failed).on('close', () => failed(new Error(`an upload was answered ${text.slice(0, 300)}`)));
    go();
  });
}

/** A websocket, once it is open. @param {Way} way @returns {Promise<Socket>} */
function websocket(way) {
  return new Promise((done, failed) => {
    const socket = connect(way);
    socket.on('error', failed);
    socket.write(
      request(
        way,
        'GET /ws',
        `connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${Buffer.alloc(16, 'k').toString('base64')}\r\n`,
      ),
    );
    let text = '';
    const head = (chunk) => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      socket.off('data', head);
      if (text.startsWith('HTTP/1.1 101')) done(socket);
      else failed(new Error(`A websocket was answered ${text.slice(0, 300)}`));
    };
    socket.on('data', head);
  });
}

const PAYLOAD = 64;
/** Two bytes of head, and four of a mask that is nothing. */
const SENT = Buffer.concat([Buffer.from([0x82, 0x80 | PAYLOAD, 0, 0, 0, 0]), Buffer.alloc(PAYLOAD, 'm')]);
const BACK = 2 + PAYLOAD;

/** Small messages that come back, `window` on their way on each connection. @param {Way} way */
export async function echoes(way, { connections, window, seconds }) {
  const sockets = await Promise.all(Array.from({ length: connections }, () => websocket(way)));
  let [messages, over] = [0, false];
  const began = performance.now();
  const timer = setTimeout(() => (over = true), seconds * 1000);
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise((done, failed) => {
          let [bytes, under] = [0, window];
          socket.on('data', (chunk) => {
            bytes += chunk.length;
            const whole = Math.floor(bytes / BACK);
            bytes -= whole * BACK;
            messages += whole;
            under -= whole;
            if (over) {
              if (under === 0) done(undefined);
            } else if (whole > 0) {
              under += whole;
              socket.write(whole === 1 ? SENT : Buffer.concat(Array(whole).fill(SENT)));
            }
          });
          socket.on('close', () => failed(new Error('a websocket was closed')));
          socket.write(Buffer.concat(Array(window).fill(SENT)));
        }),
    ),
  );
  clearTimeout(timer);
  const perSecond = messages / ((performance.now() - began) / 1000);
  for (const socket of sockets) socket.removeAllListeners('close').destroy();
  return perSecond;
}

/**
 * Small GETs over so many connections.
 * @param {Way} way
 * @param {{ connections: number, seconds: number, pauseMs?: number }} load
 * @returns requests per second, and quantiles of milliseconds
 */
export async function smalls(way, { connections, seconds, pauseMs }) {
  /** @type {number[]} */
  const took = [];
  const began = performance.now();
  const until = began + seconds * 1000;
  await Promise.all(
    Array.from({ length: connections }, () =>
      small(way, (ms) => took.push(ms) > 0 && performance.now() < until, pauseMs),
    ),
  );
  return { requests: took.length, perSecond: took.length / ((performance.now() - began) / 1000), ...quantiles(took) };
}
