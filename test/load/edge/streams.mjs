// Bytes in bulk, near and far away, and websockets.
import { median, round } from '../lib.mjs';
import { ratio, rounds } from './rounds.mjs';

const SHAPES = [
  { up: false, streams: 1 },
  { up: false, streams: 8 },
  { up: true, streams: 1 },
  { up: true, streams: 8 },
];
/** A line of 100 Mbit/s and 50 ms there and back. */
const LINE = { ms: 25, bytesPerSecond: 12_500_000 };
/** What goes over it in each measurement. */
const FAR_SECONDS = 2;

const nameOf = ({ up, streams }) =>
  `bulk ${up ? 'up' : 'down'}, ${streams === 1 ? 'one stream' : `${streams} streams`}`;
const megabytes = (results) => `${round(median(results.map((one) => one.perSecond)), 0)} MB/s`;

export async function bulk({ world, table, options }) {
  const bytes = options.quick ? 200e6 : 1e9;
  for (const shape of SHAPES) {
    const { ours, proxies } = await rounds(options.rounds, {
      ours: () => world.load(world.ours, 'bulk', { ...shape, bytes }),
      proxies: () => world.load(world.proxies, 'bulk', { ...shape, bytes }),
    });
    table.row({
      what: `${nameOf(shape)} ÷ two TCP proxies`,
      ours: megabytes(ours),
      against: megabytes(proxies),
      ratio: ratio(ours, proxies),
      target: { atLeast: 0.5 },
      goal: { atLeast: 0.65 },
    });
  }
}

/** An agent at the far end of a long line, and the same line without a tunnel. */
export async function far({ world, table, options }) {
  const { ms, bytesPerSecond } = LINE;
  const toServer = await world.beside('proxies.mjs', ['line'], world.ports.api, [ms, bytesPerSecond]);
  const toTarget = await world.beside('proxies.mjs', ['line'], world.targetPort, [ms, bytesPerSecond]);
  const site = await world.makeSite();
  const agent = world.agentOf(site, `http://127.0.0.1:${toServer}`);
  const way = await world.publish('far', site.siteId);
  const bytes = bytesPerSecond * FAR_SECONDS;
  for (const shape of SHAPES) {
    const { ours, bare } = await rounds(options.rounds, {
      ours: () => world.load(way, 'bulk', { ...shape, bytes }),
      bare: () => world.load({ host: way.host, port: toTarget }, 'bulk', { ...shape, bytes }),
    });
    table.row({
      what: `${nameOf(shape)}, 50 ms round trip at 100 Mbit/s ÷ without a tunnel`,
      ours: megabytes(ours),
      against: megabytes(bare),
      ratio: ratio(ours, bare),
      target: { atLeast: 0.5 },
      goal: { atLeast: 0.8 },
    });
  }
  agent.kill('SIGKILL');
}

export async function websocket({ world, table, options }) {
  const seconds = Math.min(options.seconds, 3);
  const shapes = /** @type {const} */ ([
    ['round trips of one websocket', { connections: 1, window: 1, seconds }, 0.6, 0.85],
    ['messages of 16 websockets, 8 on their way', { connections: 16, window: 8, seconds }, 0.6, 0.9],
  ]);
  for (const [what, shape, floor, goal] of shapes) {
    const { ours, proxies } = await rounds(options.rounds, {
      ours: () => world.load(world.ours, 'websocket', shape),
      proxies: () => world.load(world.proxies, 'websocket', shape),
    });
    const rate = (results) => `${round(median(results.map((one) => one.perSecond)), 0)}/s`;
    table.row({
      what: `${what} ÷ two TCP proxies`,
      ours: rate(ours),
      against: rate(proxies),
      ratio: ratio(ours, proxies),
      target: { atLeast: floor },
      goal: { atLeast: goal },
    });
  }
}
