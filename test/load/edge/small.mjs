// Small GETs over kept connections: rates, processor time, what one adds; with a login, and over TLS.
import { median, round } from '../lib.mjs';
import { ratio, rounds } from './rounds.mjs';

const CONNECTIONS = 64;
const MANY = 256;

const perSecond = (results) => `${round(median(results.map((one) => one.perSecond)), 0)}/s`;
const medianOf = (results, name) => median(results.map((one) => one[name]));

export async function small({ world, table, options }) {
  const seconds = Math.min(options.seconds, 3);
  const { ours, direct, proxies, proxyPids, pids } = world;
  const nginx = await world.nginx();
  const gets = (way, connections, more = {}) =>
    world.load(way, 'small', { connections, seconds, warmup: 0.5, ...more });
  // A Node that has just started costs several times as much a request.
  await gets(ours, CONNECTIONS, { warmup: options.quick ? 0.5 : 10 });
  await gets(proxies, CONNECTIONS);
  const { at64, at256, at1, ofProxies, ofNginx, none } = await rounds(options.rounds, {
    at64: () => gets(ours, CONNECTIONS, { pids }),
    ofProxies: () => gets(proxies, CONNECTIONS, { pids: proxyPids }),
    ofNginx: async () => nginx && gets(nginx, CONNECTIONS),
    at256: () => gets(ours, MANY),
    at1: () => gets(ours, 1),
    none: () => gets(direct, 1),
  });
  const what = `small GET, ${CONNECTIONS} connections`;
  if (nginx)
    table.row({
      what: `${what} ÷ nginx, one worker`,
      ours: perSecond(at64),
      against: perSecond(ofNginx),
      ratio: ratio(at64, ofNginx),
      target: { atLeast: 0.22 },
      goal: { atLeast: 0.3 },
    });
  else table.note('nginx is not in PATH: small GETs are not measured against it');
  table.row({
    what: `${what} ÷ two TCP proxies`,
    ours: perSecond(at64),
    against: perSecond(ofProxies),
    ratio: ratio(at64, ofProxies),
    target: { atLeast: 0.45 },
    goal: { atLeast: 0.6 },
  });
  const cpu = medianOf(at64, 'cpuMicros');
  table.row({
    what: `${what}: processor time of edge and agent a request`,
    ours: `${round(cpu, 0)} µs`,
    against: `two TCP proxies ${round(medianOf(ofProxies, 'cpuMicros'), 0)} µs`,
    value: cpu,
    target: { below: 100 },
    goal: { below: 70 },
    unit: ' µs',
  });
  const added = median(at1.map(({ p50 }, i) => p50 - none[i].p50));
  table.row({
    what: 'small GET, one connection: p50 added',
    ours: `${round(added, 3)} ms`,
    against: `no proxy ${round(medianOf(none, 'p50'), 3)} ms`,
    value: added,
    target: { below: 0.25 },
    goal: { below: 0.12 },
    unit: ' ms',
  });
  table.row({
    what: `small GET, ${MANY} connections ÷ own at ${CONNECTIONS}`,
    ours: perSecond(at256),
    against: perSecond(at64),
    ratio: ratio(at256, at64),
    target: { atLeast: 0.65 },
    goal: { atLeast: 0.8 },
  });
  const p99 = medianOf(at256, 'p99');
  table.row({
    what: `small GET, ${MANY} connections: p99`,
    ours: `${round(p99, 1)} ms`,
    value: p99,
    target: { below: 100 },
    goal: { below: 50 },
    unit: ' ms',
  });
}

/** A resource that asks for a login, with a session that is checked on every request, and one that does not. */
export async function logins({ world, table, options }) {
  const way = await world.publish('login', world.site.siteId);
  const cookie = await world.logIn(way);
  await against({ world, table, options }, 'small GET with a login session ÷ without', world.ours, {
    way: { ...way, cookie },
    target: { atLeast: 0.8 },
    goal: { atLeast: 0.95 },
  });
}

/** The edge with a certificate from its folder, and a reverse proxy that does nothing else. */
export async function tls({ world, table, options }) {
  const { TLS_CERT_FILE, TLS_KEY_FILE } = world.certificate;
  const bare = await world.beside('proxies.mjs', ['https'], world.targetPort, [TLS_CERT_FILE, TLS_KEY_FILE]);
  const { host } = world.ours;
  await against(
    { world, table, options },
    'small GET over HTTPS ÷ a bare node:https reverse proxy',
    { host, port: bare, tls: true },
    { way: { host, port: world.ports.tls, tls: true }, target: { atLeast: 0.5 }, goal: { atLeast: 0.7 } },
  );
}

async function against({ world, table, options }, what, other, { way, target, goal }) {
  const seconds = Math.min(options.seconds, 3);
  const gets = (to) => world.load(to, 'small', { connections: CONNECTIONS, seconds, warmup: 1 });
  const { ours, theirs } = await rounds(options.rounds, { ours: () => gets(way), theirs: () => gets(other) });
  table.row({
    what,
    ours: perSecond(ours),
    against: perSecond(theirs),
    ratio: ratio(ours, theirs),
    target,
    goal,
  });
}
