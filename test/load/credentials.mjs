// Credentials: handshakes and requests of machines that TLS proves, beside bare node:tls; ends of connections; keys in memory; and a fleet that is rotated.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { median, round, rssKiB, sleep } from './lib.mjs';
import { revocations } from './revocations.mjs';
import { seedNewts, seedSites } from './seed.mjs';
import { freePort, SERVER_ARGS } from './testbed.mjs';
import { tlsConnection } from './tls-connection.mjs';
import { certificateFiles, claimDevices } from './tls-devices.mjs';

/** Devices of each kind, and callers at the same time. */
const DEVICES = 16;
/** In so many turns each run of handshakes is cut, so that whatever else the machine does falls on both sides. */
const TURNS = 5;
/** What the target of memory is said for. */
const KEYS = 100_000;
/** As the service encrypts 32 bytes: key id, nonce, tag. */
const SEALED_BYTES = 4 + 12 + 16 + 32;
/** Looks at a rotation, and the longest that one may take before it counts as lost. */
const LOOK_MS = 100;
const LONGEST_MS = 180_000;

export async function credentials({ testbed, table, options }) {
  const files = await certificateFiles(testbed.folder);
  // The load only ends handshakes, as a stranger would whose certificates are bounded: it comes from a trusted proxy.
  const env = { ...files, DEVICE_TLS_PORT: String(await freePort()), TRUST_PROXY: '127.0.0.1' };
  const server = await testbed.server(await testbed.database(), { env, tls: true });
  const devices = await enrol(testbed, server);
  await handshakes({ testbed, table, options, server, devices, env });
  await requests({ testbed, table, options, server, devices, env });
  await server.stop();
  await revocations({ testbed, table });
  await memory({ testbed, table, options, files });
  await fleet({ testbed, table, options });
}

/** Devices of each kind in files of their own. */
async function enrol(testbed, server) {
  const { orgId } = await server.organization('devices');
  const save = async (kind) => {
    const file = path.join(testbed.folder, `tls-${kind}.jsonl`);
    const rows = await claimDevices(server, orgId, kind, DEVICES);
    fs.writeFileSync(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    return file;
  };
  return { psk: await save('psk'), certificate: await save('certificate'), key: await save('api_key') };
}

async function handshakes({ testbed, table, options, server, devices, env }) {
  const port = String(await freePort());
  const bare = testbed.node(path.join(import.meta.dirname, 'raw-tls.mjs'), [port], {
    env: { ...env, PSKS: devices.psk },
    nodeArgs: SERVER_ARGS,
  });
  await Promise.race([once(bare, 'message'), bare.ended.then(() => Promise.reject(new Error(bare.output)))]);
  const seconds = String(options.seconds / TURNS);
  for (const [by, what] of /** @type {const} */ ([
    ['certificate', 'with a client certificate'],
    ['psk', 'with a pre-shared key'],
  ])) {
    const load = (to, { pid }) =>
      testbed.tool('tls-load.mjs', [
        ...['--port', to, '--by', by, '--data', devices[by]],
        ...['--seconds', seconds, '--pid', String(pid)],
      ]);
    const turns = await inTurns(
      TURNS * options.runs,
      () => load(env.DEVICE_TLS_PORT, server),
      () => load(port, bare),
    );
    const of = (pick, digits) => round(median(turns.map(pick)), digits);
    table.row({
      what: `TLS handshakes ${what}`,
      ours: `${of(([ours]) => ours.per_s, 0)}/s`,
      against: `bare node:tls ${of(([, other]) => other.per_s, 0)}/s`,
      ratio: of(([ours, other]) => ours.per_s / other.per_s, 3),
      target: { atLeast: 0.8 },
    });
    const [mine, its] = [of(([ours]) => ours.server_ms, 2), of(([, other]) => other.server_ms, 2)];
    table.note(`Processor time of a handshake ${what}: ${mine} ms, bare ${its} ms; medians of ${turns.length} turns.`);
  }
  bare.kill('SIGKILL');
  await bare.ended;
}

async function requests({ testbed, table, options, server, devices, env }) {
  const load = (by) =>
    testbed.tool('tls-load.mjs', [
      ...['--mode', 'requests', '--port', env.DEVICE_TLS_PORT, '--by', by, '--data', devices[by]],
      ...['--seconds', String(options.seconds), '--concurrency', String(DEVICES), '--pid', String(server.pid)],
    ]);
  const turns = await inTurns(
    Math.max(options.runs, 2),
    () => load('certificate'),
    () => load('key'),
  );
  const of = (pick, digits) => round(median(turns.map(pick)), digits);
  table.row({
    what: 'requests on kept connections with a client certificate',
    ours: `${of(([certificate]) => certificate.per_s, 0)}/s`,
    against: `with an API key, same listener ${of(([, key]) => key.per_s, 0)}/s`,
    ratio: of(([certificate, key]) => certificate.per_s / key.per_s, 3),
    target: { atLeast: 0.9 },
  });
}

/** Two loads one after the other, so many times; each is the first in every other turn. @returns what they answered, in pairs */
async function inTurns(times, one, other) {
  /** @type {[any, any][]} */
  const turns = [];
  for (let turn = 0; turn < times; turn++) {
    const first = turn % 2 === 0 ? await one() : undefined;
    const second = await other();
    turns.push([first ?? (await one()), second]);
  }
  return turns;
}

/** What the keys of handshakes take: a server with so many, beside one with none. */
async function memory({ testbed, table, options, files }) {
  const count = Math.min(KEYS, options.sites);
  const databaseUrl = await testbed.database();
  const measure = async () => {
    const gcReport = path.join(testbed.folder, `gc-${randomBytes(4).toString('hex')}.json`);
    const env = { ...files, DEVICE_TLS_PORT: String(await freePort()) };
    const server = await testbed.server(databaseUrl, { env, tls: true, gcReport });
    process.kill(server.pid, 'SIGUSR2');
    while (!fs.existsSync(gcReport)) await sleep(100);
    await sleep(100);
    const { heapUsed, external } = JSON.parse(fs.readFileSync(gcReport, 'utf8'));
    return {
      server,
      devicePort: Number(env.DEVICE_TLS_PORT),
      live: (heapUsed + external) / 1e6,
      rss: rssKiB(server.pid) / 1024,
    };
  };
  const empty = await measure();
  const { orgId } = await empty.server.organization('keys');
  await empty.server.sql(
    `WITH made AS (
       INSERT INTO site (org_id, nice_id, name, status) SELECT $1, 'psk-' || i, 'PSK ' || i, 'approved' FROM generate_series(1, $2::int) i RETURNING site_id, device_id)
     INSERT INTO site_credential (site_id, org_id, kind, psk_identity, psk_encrypted)
     SELECT site_id, $1, 'psk', device_id || '.' || left(md5(site_id::text), 8), substring(key_id || sha512(site_id::text::bytea) || sha512(site_id::text::bytea) FOR $3)
     FROM made, master_key WHERE state = 'writing'`,
    [orgId, count, SEALED_BYTES],
  );
  // Of the last site, and so in the last page that is read at the start.
  const [last] = await claimDevices(empty.server, orgId, 'psk', 1);
  await empty.server.stop();
  const full = await measure();
  if (!last) throw new Error('nobody claimed');
  const connection = tlsConnection(full.devicePort, last);
  await once(connection, 'secureConnect');
  connection.destroy();
  await full.server.stop();
  const megabytes = ((full.live - empty.live) * KEYS) / count;
  table.row({
    what: `${KEYS.toLocaleString('en')} pre-shared keys in memory: live heap of a process`,
    ours: `${round(megabytes)} MB`,
    value: megabytes,
    target: { below: 60 },
    unit: ' MB',
  });
  table.note(
    `Measured with ${count.toLocaleString('en')} of them; resident ${round(empty.rss, 0)} MiB without, ${round(full.rss, 0)} MiB with them.`,
  );
}

/** All agents of a fleet are handed another credential, prove it, and come back with it. */
async function fleet({ testbed, table, options }) {
  const { sessions: count } = options;
  const server = await testbed.server(await testbed.database());
  const org = await server.organization('fleet');
  await seedSites(server, org, Math.ceil(count * 1.2));
  const data = path.join(testbed.folder, 'fleet-agents.jsonl');
  fs.writeFileSync(data, (await seedNewts(server, org.orgId, count)).map((row) => JSON.stringify(row)).join('\n'));
  const agents = testbed.node(path.join(import.meta.dirname, 'fleet-agents.mjs'), [
    '--url',
    server.url,
    '--data',
    data,
  ]);
  const said = async () => {
    const [message] = await Promise.race([
      once(agents, 'message'),
      agents.ended.then(() => Promise.reject(new Error(`The agents ended:\n${agents.output}`))),
    ]);
    return message;
  };
  await said();
  await server.sql('VACUUM ANALYZE');
  await server.sql('CHECKPOINT');
  const before = performance.now();
  await server.api('POST', `/org/${org.orgId}/credential-rotations`, {
    filter: { credentialKind: 'newt' },
    perMinute: null,
  });
  let rotation;
  do {
    await sleep(LOOK_MS);
    [rotation] = (await server.api('GET', `/org/${org.orgId}/credential-rotations`)).rotations;
  } while (rotation.rotated < count && performance.now() - before < LONGEST_MS);
  const took = (performance.now() - before) / 1000;
  const n = count.toLocaleString('en');
  table.row({
    what: `${n} connected agents rotated, pace off`,
    ours: `${round(took)} s`,
    value: rotation.rotated < count ? Number.POSITIVE_INFINITY : took,
    target: { below: 60 },
    unit: ' s',
  });
  // The last of them come back.
  await sleep(2_000);
  const report = said();
  agents.send('report');
  const { rotated, failed, lost, firstFailure, gapP50, gapMax } = await report;
  if (firstFailure) table.note(`The first failed request of an agent: ${firstFailure}`);
  table.row({ what: 'meanwhile: failed requests', ours: `${failed}`, value: failed, target: { below: 0 } });
  table.row({
    what: 'sessions that were closed, or did not come back',
    ours: `${lost + count - rotated}`,
    value: lost + count - rotated,
    target: { below: 0 },
  });
  table.row({
    what: 'longest time of an agent without a session',
    ours: `${gapMax} ms (p50 ${gapP50} ms)`,
    value: gapMax / 1000,
    target: { below: 5 },
    unit: ' s',
  });
  await agents.ended;
  await server.stop();
}
