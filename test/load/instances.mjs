// Instances: bundles fetched and leases taken against a bare node:http server, and a secret rolled out to a fleet while others claim.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { claimLoad } from './claims.mjs';
import { HttpConnection } from './http-client.mjs';
import { inTurn, median, readJsonl, round, rssKiB, sleep } from './lib.mjs';

const CALLERS = 64;
/** Of the document's one file: with a secret and the rest of the payload a bundle of 8 KB. */
const FILE_BYTES = 4_200;
/** Agents that have a session while a secret is rolled out to all. */
const CONNECTED = 20;
/** Starts of a program in each way, in turns. */
const STARTS = 7;
/** Seconds that the requests may take which prepare the fleet; the generator ends when they are done. */
const PREPARING = 60;
const json = 'content-type: application/json';

/** @typedef {{ api_key: string, device_id: string }} Instance */

export async function instances({ testbed, table, options }) {
  const { runs, seconds, instances: count } = options;
  const raw = await testbed.bare('raw-http.mjs');
  const server = await testbed.server(await testbed.database());
  const fleet = await server.organization('instances');
  const file = path.join(testbed.folder, 'instances.jsonl');
  await load(testbed, {
    url: `${server.url}/api/v1/provision`,
    method: 'POST',
    header: json,
    body: `{"provision_key":"${fleet.key}","device_name":"Instance {{n}}","hardware_id":"{{uuid}}","bundle_key":{"kty":"OKP","crv":"X25519","x":"{{nonce}}"}}`,
    requests: count,
    duration: PREPARING,
    capture: file,
  });
  // After the claims: under a profile that delivers secrets they would wait for approval.
  const secret = `/org/${fleet.orgId}/secret`;
  await server.api('PUT', secret, { name: 'TOKEN', value: randomBytes(24).toString('hex') });
  await server.api('PUT', `/org/${fleet.orgId}/provisioning-profile/${fleet.profileId}/bootstrap`, {
    document: `env: { TOKEN: "{{secret.TOKEN}}", NAME: "{{site.niceId}}" }\nfiles: [{ path: app.conf, content: "${'x'.repeat(FILE_BYTES)}" }]\n`,
  });
  while ((await server.api('GET', `/org/${fleet.orgId}/rollouts`)).rollouts[0].status !== 'succeeded') await sleep(50);
  /** @type {Instance[]} */
  const sites = readJsonl(file);
  const fetches = {
    url: `${server.url}/api/v1/device/bundle`,
    header: 'authorization: Bearer {{api_key}}',
    data: file,
  };
  // The first fetch of each makes its row: once, before the clock runs.
  await load(testbed, { ...fetches, requests: sites.length, duration: PREPARING });
  await server.sql('VACUUM ANALYZE');

  const bare = { url: `${raw.url}/`, method: 'POST', header: json, body: '{"nonce":"{{rand}}"}', duration: seconds };
  /** @type {Record<'bare' | 'fetch' | 'share' | 'lease', number[]>} */
  const turns = { bare: [], fetch: [], share: [], lease: [] };
  const alone = await cryptographyMs(await bundleBytes(server, inTurn(sites, 0)));
  for (let run = 0; run < runs; run++) {
    turns.bare.push((await load(testbed, bare)).ok_per_s);
    const fetched = await load(testbed, { ...fetches, duration: seconds, pid: `server=${server.pid}` });
    turns.fetch.push(fetched.ok_per_s);
    turns.share.push(alone.sealed / ((1000 * fetched.cpu_s.server) / fetched.ok));
    turns.lease.push(await leasesPerSecond(server, sites, seconds));
  }
  const against = `bare node:http POST ${round(median(turns.bare), 0)}/s`;
  const ratios = (of) => median(turns[of].map((rate, run) => rate / inTurn(turns.bare, run)));
  table.row({
    what: `bundles of 8 KB, signed and sealed, ${CALLERS} callers`,
    ours: `${round(median(turns.fetch), 0)}/s`,
    against,
    ratio: ratios('fetch'),
    target: { atLeast: 0.02 },
  });
  table.row({
    what: `leases, signed, ${CALLERS} callers`,
    ours: `${round(median(turns.lease), 0)}/s`,
    against,
    ratio: ratios('lease'),
    target: { atLeast: 0.04 },
  });
  table.note(
    `Cryptography of a bundle alone, one thread: signed in ${round(alone.signed, 3)} ms, sealed too in ${round(alone.sealed, 3)} ms; ${round(100 * median(turns.share), 0)} % of the processor time of a fetch.`,
  );
  await raw.stop();
  // Shorter than a rollout takes.
  await rollouts({ server, testbed, table, seconds: Math.min(seconds, 3), fleet, sites });
  await programs({ server, testbed, table, fleet });
  await server.stop();
}

/** @param {{ server: import('./testbed.mjs').Server, sites: Instance[], [other: string]: any }} about */
async function rollouts({ server, testbed, table, seconds, fleet, sites }) {
  const agents = await Promise.all(
    Array.from({ length: CONNECTED }, (_, i) =>
      connect(server, inTurn(sites, Math.floor((i * sites.length) / CONNECTED))),
    ),
  );
  const others = await server.organization('claims');
  const start = async () => {
    const before = performance.now();
    await server.api('POST', `/org/${fleet.orgId}/secret/TOKEN/version`, {
      value: randomBytes(24).toString('hex'),
      rollout: { canary: 0, perMinute: null },
    });
    return before;
  };
  const offered = async (before) => {
    for (; ; await sleep(50)) {
      const { rollouts } = await server.api('GET', `/org/${fleet.orgId}/rollouts?limit=1`);
      if (rollouts[0].offered >= sites.length) return (performance.now() - before) / 1000;
    }
  };
  const n = sites.length.toLocaleString('en');
  const told = await toldWithin(server, agents, async () => {
    const took = await offered(await start());
    table.row({
      what: `a secret of ${n} sites, pace off: all offered`,
      ours: `${round(took, 1)} s`,
      value: took,
      target: { below: 30 },
      unit: ' s',
    });
  });
  table.row({
    what: `the same: a connected site told, the slowest of ${CONNECTED}`,
    ours: `${round(told, 2)} s`,
    value: told,
    target: { below: 2 },
    unit: ' s',
  });
  await claimLoad(testbed, server, others.key, { seconds: 1 });
  const calm = [];
  const disturbed = [];
  for (let pair = 0; pair < 3; pair++) {
    await server.sql('CHECKPOINT');
    calm.push((await claimLoad(testbed, server, others.key, { seconds })).ok_per_s);
    await server.sql('CHECKPOINT');
    const before = await start();
    disturbed.push((await claimLoad(testbed, server, others.key, { seconds })).ok_per_s);
    const took = await offered(before);
    if (took < seconds) throw new Error(`The rollout ended after ${took} s, before the claims that it should disturb`);
  }
  table.row({
    what: 'claims while it is rolled out',
    ours: `${round(median(disturbed), 0)}/s`,
    against: `undisturbed ${round(median(calm), 0)}/s`,
    ratio: median(disturbed.map((rate, i) => rate / calm[i])),
    target: { atLeast: 0.8 },
  });
  for (const { socket } of agents) socket.terminate();
}

/** What the agent adds to the start of a program, and how much memory it takes beside it. */
async function programs({ server, testbed, table, fleet }) {
  const { templateId } = await server.api('PUT', `/org/${fleet.orgId}/provisioning-template`, {
    name: 'programs',
    profileId: fleet.profileId,
    hardwareIdPattern: 'program-[0-9]',
  });
  const { siteProvisioningKey } = await server.api('PUT', `/org/${fleet.orgId}/site-provisioning-key`, {
    name: 'programs',
    templateId,
    maxBatchSize: 1,
    validUntil: new Date(Date.now() + 3_600_000).toISOString(),
  });
  const folder = path.join(testbed.folder, 'program');
  const flags = ['--config-file', path.join(folder, 'agent.json'), '--bundle-dir', path.join(folder, 'bundle')];
  const run = (script) =>
    testbed.node(
      fileURLToPath(new URL('../../dist/agent/gatehouse-agent.mjs', import.meta.url)),
      ['run', ...flags, '--endpoint', server.url, '--hardware-id', 'program-1', '--', process.execPath, '-e', script],
      { env: { HOME: testbed.folder, NEWT_PROVISIONING_KEY: siteProvisioningKey } },
    );
  /** @returns milliseconds from here to the first line of a program that says the time. */
  const startMs = async (start) => {
    const before = Date.now();
    const child = start('console.log("at " + Date.now())');
    await child.ended;
    const at = /^at (\d+)$/m.exec(child.output)?.[1];
    if (at === undefined) throw new Error(`The program was not started:\n${child.output}`);
    return Number(at) - before;
  };
  const program = path.join(testbed.folder, 'program.mjs');
  fs.writeFileSync(program, 'console.log("at " + Date.now())');
  await startMs(run);
  const [site] = await server.sql(`SELECT site_id AS "siteId" FROM site WHERE hardware_id = 'program-1'`);
  /** @type {Record<'alone' | 'stored' | 'fetched', number[]>} */
  const times = { alone: [], stored: [], fetched: [] };
  for (let i = 0; i < STARTS; i++) {
    times.alone.push(await startMs(() => testbed.node(program)));
    times.stored.push(await startMs(run));
    await server.api('POST', `/site/${site.siteId}/bundle/resend`);
    times.fetched.push(await startMs(run));
  }
  const added = (of) => median(times[of]) - median(times.alone);
  for (const [of, what, below] of [
    ['stored', 'a program started by its key, bundle stored: added', 150],
    ['fetched', 'the same, bundle fetched: added', 400],
  ])
    table.row({
      what,
      ours: `${round(added(of), 0)} ms`,
      against: `started alone ${round(median(times.alone), 0)} ms`,
      value: added(of),
      target: { below },
      unit: ' ms',
    });
  const running = run('console.log("up"); setInterval(() => {}, 1e6)');
  while (!running.output.includes('is applied')) await sleep(50);
  await sleep(3000);
  const mib = rssKiB(running.pid) / 1024;
  running.kill('SIGTERM');
  await running.ended;
  table.row({
    what: 'the agent beside its program: resident',
    ours: `${round(mib, 0)} MiB`,
    value: mib,
    target: { below: 90 },
    unit: ' MiB',
  });
}

/** Closed-loop load of 64 callers; throws when a request fails. */
async function load(testbed, given) {
  const result = await testbed.load({ concurrency: CALLERS, ...given });
  if (result.errors > 0) throw new Error(`${result.errors} of ${result.total} failed: ${result.first_failure}`);
  return result;
}

/** How long the JWS of a site's bundle is. */
async function bundleBytes(server, { api_key }) {
  const response = await fetch(`${server.url}/api/v1/device/bundle`, {
    headers: { authorization: `Bearer ${api_key}` },
  });
  const jwe = await response.text();
  if (!response.ok) throw new Error(`The bundle: ${response.status} ${jwe}`);
  return Buffer.from(jwe.split('.')[3] ?? '', 'base64url').length;
}

/** Milliseconds that signing, and signing and sealing, take for a JWS of so many bytes, with nothing beside. */
async function cryptographyMs(bytes) {
  const built = (file) => import(new URL(`../../dist/src/instances/${file}.js`, import.meta.url).href);
  const [{ seal }, { signWith }] = await Promise.all([built('bundles/sealing'), built('trust/signing-key')]);
  const signer = { kid: 'x'.repeat(43), key: generateKeyPairSync('ed25519').privateKey };
  const site = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' });
  // Base64url makes four of three.
  const payload = { text: randomBytes(Math.floor((bytes * 9) / 16) - 100).toString('base64url') };
  const sign = () => signWith(signer, 'gatehouse-bundle+jws', payload);
  return { signed: processorMs(sign), sealed: processorMs(() => seal(sign(), site)) };
}

/** Processor time of one call, all threads of this process. */
function processorMs(call) {
  for (let i = 0; i < 100; i++) call();
  const before = process.cpuUsage();
  const times = 1000;
  for (let i = 0; i < times; i++) call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / times;
}

/** Each caller renews the leases of sites of its own, one after the other. */
async function leasesPerSecond(server, sites, seconds) {
  const each = Math.min(20, Math.floor(sites.length / CALLERS));
  let taken = 0;
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: CALLERS }, async (_, caller) => {
      const connection = new HttpConnection(server.url);
      const own = sites.slice(caller * each, (caller + 1) * each).map(({ api_key }) => ({ api_key, prev: null }));
      for (let i = 0; performance.now() < end; i++) {
        const site = inTurn(own, i);
        const { status, body } = await connection.request(
          'POST',
          '/api/v1/device/lease',
          { 'content-type': 'application/json', authorization: `Bearer ${site.api_key}` },
          JSON.stringify({ nonce: randomBytes(16).toString('base64url'), prev: site.prev, ver: 0 }),
        );
        if (status !== 200) throw new Error(`A lease: ${status} ${body}`);
        const { lease } = JSON.parse(body).data;
        site.prev = JSON.parse(Buffer.from(lease.split('.')[1], 'base64url').toString()).jti;
        taken++;
      }
      connection.close();
    }),
  );
  return taken / seconds;
}

/** An agent with a session, which notes when it is told of each version of its bundle. */
async function connect(server, { api_key, device_id }) {
  const token = await fetch(`${server.url}/api/v1/auth/device/get-token`, {
    method: 'POST',
    headers: { authorization: `Bearer ${api_key}` },
  }).then(async (response) => /** @type {any} */ (await response.json()).data.token);
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/ws`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const told = new Map();
  await new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('open', () =>
      socket.send(
        JSON.stringify({
          type: 'agent/hello',
          data: { protocol: 1, version: '0.1.0', capabilities: ['bundles'], facts: { hostname: 'bench' } },
        }),
      ),
    );
    socket.on('message', (data) => {
      const { type, data: message } = JSON.parse(String(data));
      if (type !== 'agent/state') return;
      if (message.bundle) told.set(message.bundle.version, Date.now());
      resolve(undefined);
    });
  });
  return { socket, deviceId: device_id, told };
}

/** @returns the most seconds between the offer to a connected site and its telling. */
async function toldWithin(server, agents, rollout) {
  await rollout();
  const worst = [];
  for (const { deviceId, told } of agents) {
    const [{ version, at }] = await server.sql(
      `SELECT b.version, extract(epoch FROM b.changed_at)::float8 * 1000 AS at FROM site_bundle b JOIN site USING (site_id) WHERE device_id = $1`,
      [deviceId],
    );
    while (!told.has(version)) await sleep(10);
    worst.push((told.get(version) - at) / 1000);
  }
  return Math.max(...worst);
}
