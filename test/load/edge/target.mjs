// The web server behind the agent, in a process of its own:  node target.mjs PORT
//   GET /200      200 bytes, on a path below node:http, so that the target is not what is measured
//   GET /bytes/N  N bytes
//   POST /sink    reads everything, answers {"bytes":n}
//   upgrade       websocket echo of small frames
import { createHash } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const FAST = Buffer.from('GET /200 ');
const END = Buffer.from('\r\n\r\n');
const body = `${'x'.repeat(199)}\n`;
const canned = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 200\r\n\r\n${body}`);
const block = Buffer.alloc(256 * 1024, 'b');

/** At the pace of who reads. */
function bytes(response, count) {
  let left = count;
  const go = () => {
    while (left > 0) {
      const part = left >= block.length ? block : block.subarray(0, left);
      left -= part.length;
      if (!response.write(part)) return void response.once('drain', go);
    }
    response.end();
  };
  response.on('error', () => undefined);
  go();
}

const app = http.createServer({ keepAliveTimeout: 600_000, noDelay: true }, (request, response) => {
  const [, count] = /^\/bytes\/(\d+)$/.exec(request.url ?? '') ?? [];
  if (count !== undefined) {
    response.writeHead(200, { 'content-length': count });
    return bytes(response, Number(count));
  }
  if (request.url === '/200') {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
    return void response.end(body);
  }
  if (request.url === '/sink') {
    let n = 0;
    request.on('data', (chunk) => (n += chunk.length)).on('error', () => undefined);
    return void request.on('end', () => response.end(JSON.stringify({ bytes: n })));
  }
  response.writeHead(404).end();
});
app.requestTimeout = 0;
app.on('upgrade', (request, socket, head) => {
  const accept = createHash('sha1')
    .update(request.headers['sec-websocket-key'] + GUID)
    .digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
  );
  /** @type {Buffer} */
  let left = head;
  const feed = () => {
    const out = [];
    for (;;) {
      if (left.length < 6) break;
      const length = left.readUInt8(1) & 127;
      if (left.length < 6 + length) break;
      const payload = Buffer.from(left.subarray(6, 6 + length));
      for (let i = 0; i < length; i++) payload.writeUInt8(payload.readUInt8(i) ^ left.readUInt8(2 + (i & 3)), i);
      out.push(Buffer.from([left.readUInt8(0), length]), payload);
      left = left.subarray(6 + length);
    }
    if (out.length > 0) socket.write(Buffer.concat(out));
  };
  socket.on('data', (chunk) => {
    left = left.length > 0 ? Buffer.concat([left, chunk]) : chunk;
    feed();
  });
  socket.on('error', () => undefined).on('end', () => socket.end());
  feed();
});

net
  .createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const end = () => socket.end();
    const data = (chunk) => {
      if (chunk.subarray(0, FAST.length).equals(FAST) && chunk.indexOf(END) === chunk.length - END.length)
        return void socket.write(canned);
      // Anything else has the connection for good.
      socket.off('data', data).off('end', end).pause();
      app.emit('connection', socket);
      socket.unshift(chunk);
      socket.resume();
    };
    socket.on('error', () => undefined);
    socket.on('data', data).on('end', end);
  })
  .listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 8192 }, () => process.send?.('ready'));
