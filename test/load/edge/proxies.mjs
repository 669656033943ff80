// What the edge is measured against, each a process of its own:
//   node proxies.mjs tcp PORT TO                 plain TCP proxy; two in a row are what an edge and an agent in Node have to move at the least
//   node proxies.mjs https PORT TO CERT KEY      plain reverse proxy, node:https in, node:http out over kept connections
//   node proxies.mjs nginx PORT TO FOLDER        nginx with one worker and kept connections; needs it in PATH
//   node proxies.mjs line PORT TO MS BYTES       a long line: MS milliseconds each way, BYTES a second in each direction
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { pipeline } from 'node:stream';

const [kind = '', port, to, ...more] = process.argv.slice(2);
const listen = { port: Number(port), host: '127.0.0.1', backlog: 8192 };
const ready = () => void process.send?.('ready');
const dial = () => net.connect({ port: Number(to), host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
const OF_ONE_CONNECTION = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer']);
/** Pieces in which a line passes on. */
const TICK_MS = 2;

const KINDS = { tcp, https: httpsProxy, nginx, line };
const start = KINDS[kind];
if (!start) throw new Error(`There are ${Object.keys(KINDS).join(', ')}`);
start();

function tcp() {
  pairs((here, there) => {
    here.pipe(there).on('close', () => here.destroy());
    there.pipe(here).on('close', () => there.destroy());
  });
}

/** Each direction has its delay and its rate, which all connections share. */
function line() {
  const [ms = 0, rate = 0] = more.map(Number);
  const [out, back] = [
    { ms, rate, freeAt: 0 },
    { ms, rate, freeAt: 0 },
  ];
  pairs((here, there) => {
    delayed(here, there, out);
    delayed(there, here, back);
  });
}

/** What is on its way on a connection is bounded by twice what the line carries within a round trip. */
function delayed(from, to, direction) {
  const { ms, rate } = direction;
  const most = (rate * 4 * ms) / 1000;
  /** @type {{ due: number, chunk: Buffer }[]} */
  const way = [];
  let [held, ended] = [0, false];
  from.on('data', (chunk) => {
    // It leaves once what came before it has, and arrives a delay later.
    direction.freeAt = Math.max(direction.freeAt, performance.now()) + (chunk.length / rate) * 1000;
    way.push({ due: direction.freeAt + ms, chunk });
    held += chunk.length;
    if (held >= most) from.pause();
  });
  const timer = setInterval(() => {
    const now = performance.now();
    for (let first = way[0]; first && first.due <= now && !to.writableNeedDrain; first = way[0]) {
      way.shift();
      held -= first.chunk.length;
      to.write(first.chunk);
    }
    if (held < most && from.isPaused()) from.resume();
    if (ended && way.length === 0) to.end();
  }, TICK_MS);
  from.on('end', () => (ended = true));
  to.on('close', () => clearInterval(timer));
}

function pairs(join) {
  net
    .createServer({ noDelay: true, allowHalfOpen: true }, (here) => {
      const there = dial();
      here.on('error', () => there.destroy());
      there.on('error', () => here.destroy());
      join(here, there);
    })
    .listen(listen, ready);
}

function httpsProxy() {
  const [cert = '', key = ''] = more;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 512, maxFreeSockets: 512, scheduling: 'lifo' });
  https
    .createServer(
      { cert: fs.readFileSync(cert), key: fs.readFileSync(key), keepAliveTimeout: 600_000 },
      (request, response) => {
        const { method, url, rawHeaders, socket } = request;
        const headers = [...kept(rawHeaders), 'x-forwarded-for', socket.remoteAddress ?? ''];
        const onward = { host: '127.0.0.1', port: Number(to), method, path: url, agent, headers };
        const asked = http.request(/** @type {any} */ (onward), (answer) => {
          response.writeHead(answer.statusCode ?? 502, kept(answer.rawHeaders));
          pipeline(answer, response, () => undefined);
        });
        asked.on('error', () => response.destroy());
        asked.end();
      },
    )
    .listen(listen, ready);
}

const kept = (raw) => raw.filter((_, i) => !OF_ONE_CONNECTION.has(raw[i - (i % 2)].toLowerCase()));

function nginx() {
  const [folder = ''] = more;
  fs.mkdirSync(folder, { mode: 0o755 });
  const file = path.join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  fs.writeFileSync(
    file,
    `${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000000; client_max_body_size 0; tcp_nodelay on;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  upstream target { server 127.0.0.1:${to}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=8192;
    location / {
      proxy_pass http://target; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_request_buffering off; proxy_max_temp_file_size 0;
    }
  }
}`,
  );
  // A process between that ends nginx when this one goes, however it goes.
  const guard = 'nginx -c "$0" -p "$1" & cat > /dev/null; kill $!';
  const child = spawn('sh', ['-c', guard, file, folder], { stdio: ['pipe', 'inherit', 'inherit'] });
  process.on('disconnect', () => process.exit());
  child.on('exit', () => process.exit(1));
  const look = () => {
    const socket = net.connect(Number(port), '127.0.0.1', () => {
      socket.destroy();
      ready();
    });
    socket.on('error', () => setTimeout(look, 50));
  };
  look();
}
