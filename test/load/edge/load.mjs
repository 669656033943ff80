// Load on one way through, from a process of its own; what came about is its last line.
//   node load.mjs JSON    the JSON is {way, act, …} with the options of the act
import { cpuSeconds, sleep } from '../lib.mjs';
import { connect, download, echoes, request, small, smalls, upload } from './client.mjs';

const { way, act, ...options } = JSON.parse(process.argv[2] ?? '');
const STOP_AFTER = 64 * 1024;
const SETTLE_MS = 5_000;
/** Seconds of processor time. @param {number[]} pids */
const used = (pids) => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);

const ACTS = {
  /** Small GETs after a second of warming up. `pids`: whose processor time is counted meanwhile. */
  async small({ connections, seconds, warmup = 0, pids = [], pauseMs }) {
    if (warmup > 0) await smalls(way, { connections, seconds: warmup });
    const before = used(pids);
    const result = await smalls(way, { connections, seconds, pauseMs });
    return { ...result, cpuMicros: (1e6 * (used(pids) - before)) / result.requests };
  },

  /** So many bytes in so many streams. @returns megabytes a second */
  async bulk({ streams, bytes, up }) {
    const each = Math.round(bytes / streams);
    const began = performance.now();
    await Promise.all(Array.from({ length: streams }, () => (up ? upload : download)(way, each)));
    return { perSecond: (each * streams) / 1e6 / ((performance.now() - began) / 1000) };
  },

  async websocket({ connections, window, seconds }) {
    return { perSecond: await echoes(way, { connections, window, seconds }) };
  },

  /** Downloads without an end, until this process is killed; it says when they run. */
  async pull({ streams }) {
    let bytes = 0;
    setInterval(() => process.send?.(bytes), 100);
    await Promise.all(Array.from({ length: streams }, () => download(way, 1e12, (more) => (bytes += more))));
  },

  /** Clients that ask for 100 MB, read 64 KB and stop, until this process is killed; it says when they all stand still. */
  async stop({ clients }) {
    let still = 0;
    for (let i = 0; i < clients; i++) {
      const socket = connect(way);
      let read = 0;
      socket.on('error', () => process.exit(1));
      socket.write(request(way, 'GET /bytes/100000000'));
      socket.on('data', (chunk) => {
        read += chunk.length;
        if (read < STOP_AFTER || socket.isPaused()) return;
        socket.pause();
        still++;
      });
      if (i % 50 === 49) await sleep(20);
    }
    while (still < clients) await sleep(50);
    await sleep(SETTLE_MS);
    process.send?.('still');
    await new Promise(() => undefined);
  },

  /** Tries until the first 200. @returns when that was */
  async first() {
    for (;;) {
      const at = await small(way, () => false).then(
        () => Date.now(),
        () => undefined,
      );
      if (at !== undefined) return { at };
      await sleep(20);
    }
  },
};

const result = await ACTS[act](options);
console.log(JSON.stringify(result));
process.exit();
