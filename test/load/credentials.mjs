// Credentials: handshakes and requests of machines that TLS proves, beside bare node:tls; keys in memory; and a fleet that is rotated.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import * as x509 from '@peculiar/x509';
import { median, round, rssKiB, sleep } from './lib.mjs';
import { seedNewts, seedSites } from './seed.mjs';
import { freePort } from './testbed.mjs';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
/** Devices of each kind, and callers at the same time. */
const DEVICES = 16;
/** What the target of memory is said for. */
const KEYS = 100_000;
/** As the service encrypts 32 bytes. */
const SEALED_BYTES = 80;
/** Looks at a rotation, and the longest that one may take before it counts as lost. */
const LOOK_MS = 100;
const LONGEST_MS = 180_000;

export async function credentials({ testbed, table, options }) {
  x509.cryptoProvider.set(/** @type {any} */ (webcrypto));
  const files = await certificateFiles(testbed.folder);
  const env = { ...files, DEVICE_TLS_PORT: String(await freePort()) };
  const server = await testbed.server(await testbed.database(), { env, tls: true });
  const devices = await enrol(testbed, server);
  await handshakes({ testbed, table, options, server, devices, env });
  await requests({ testbed, table, options, server, devices, env });
  await server.stop();
  await memory({ testbed, table, options, files });
  await fleet({ testbed, table, options });
}

/** Devices of each kind in files of their own. */
async function enrol(testbed, server) {
  const org = `/org/${(await server.organization('devices')).orgId}`;
  /** @type {Record<'psk' | 'certificate' | 'key', object[]>} */
  const rows = { psk: [], certificate: [], key: [] };
  for (const kind of ['psk', 'certificate', 'api_key']) {
    const { templateId } = await server.api('PUT', `${org}/provisioning-template`, {
      name: kind,
      hardwareIdPattern: `${kind}-[0-9]{1,3}`,
      credentialType: kind,
    });
    const { siteProvisioningKey } = await server.api('PUT', `${org}/site-provisioning-key`, {
      name: kind,
      templateId,
      maxBatchSize: DEVICES,
      validUntil: new Date(Date.now() + 3_600_000).toISOString(),
    });
    for (let i = 0; i < DEVICES; i++) {
      const own = kind === 'certificate' ? await request() : undefined;
      const claimed = await server.provision({
        provision_key: siteProvisioningKey,
        device_name: `${kind} ${i}`,
        hardware_id: `${kind}-${i}`,
        ...(own ? { csr: own.csr } : {}),
      });
      if (kind === 'psk') rows.psk.push({ identity: claimed.psk_identity, psk: claimed.psk });
      else if (own) rows.certificate.push({ cert: claimed.certificate, key: own.key });
      else rows.key.push({ api_key: claimed.api_key });
    }
  }
  /** @type {Record<'psk' | 'certificate' | 'key', string>} */
  const devices = { psk: '', certificate: '', key: '' };
  for (const kind in rows) {
    devices[kind] = path.join(testbed.folder, `tls-${kind}.jsonl`);
    fs.writeFileSync(devices[kind], rows[kind].map((row) => JSON.stringify(row)).join('\n'));
  }
  return devices;
}

async function handshakes({ testbed, table, options, server, devices, env }) {
  const { runs, seconds } = options;
  const port = String(await freePort());
  const bare = testbed.node(path.join(import.meta.dirname, 'raw-tls.mjs'), [port], {
    env: { ...env, PSKS: devices.psk },
  });
  await Promise.race([once(bare, 'message'), bare.ended.then(() => Promise.reject(new Error(bare.output)))]);
  const load = (by, to, pid) =>
    testbed.tool('tls-load.mjs', [
      '--port',
      to,
      '--by',
      by,
      '--data',
      devices[by],
      '--seconds',
      String(seconds),
      '--pid',
      String(pid),
    ]);
  for (const [by, what] of [
    ['certificate', 'with a client certificate'],
    ['psk', 'with a pre-shared key'],
  ]) {
    /** @type {{ bare: any, ours: any }[]} */
    const turns = [];
    for (let run = 0; run < runs; run++)
      turns.push({ bare: await load(by, port, bare.pid), ours: await load(by, env.DEVICE_TLS_PORT, server.pid) });
    const of = (pick) => median(turns.map(pick));
    table.row({
      what: `TLS handshakes ${what}`,
      ours: `${round(
        of((t) => t.ours.per_s),
        0,
      )}/s`,
      against: `bare node:tls ${round(
        of((t) => t.bare.per_s),
        0,
      )}/s`,
      ratio: of((t) => t.ours.per_s / t.bare.per_s),
      target: { atLeast: 0.8 },
    });
    table.note(
      `Processor time of a handshake ${what}: ${round(
        of((t) => t.ours.server_ms),
        2,
      )} ms, bare ${round(
        of((t) => t.bare.server_ms),
        2,
      )} ms.`,
    );
  }
  bare.kill('SIGKILL');
  await bare.ended;
}

async function requests({ testbed, table, options, server, devices, env }) {
  const { runs, seconds } = options;
  const load = (by) =>
    testbed.tool('tls-load.mjs', [
      ...['--mode', 'requests', '--port', env.DEVICE_TLS_PORT, '--by', by, '--data', devices[by]],
      ...['--seconds', String(seconds), '--concurrency', String(DEVICES), '--pid', String(server.pid)],
    ]);
  /** @type {{ key: any, certificate: any }[]} */
  const turns = [];
  for (let run = 0; run < Math.max(runs, 2); run++) {
    const [key, certificate] = run % 2 === 0 ? [await load('key'), await load('certificate')] : [];
    turns.push(key ? { key, certificate } : { certificate: await load('certificate'), key: await load('key') });
  }
  const of = (pick) => median(turns.map(pick));
  table.row({
    what: 'requests on kept connections with a client certificate',
    ours: `${round(
      of((t) => t.certificate.per_s),
      0,
    )}/s`,
    against: `with an API key, same listener ${round(
      of((t) => t.key.per_s),
      0,
    )}/s`,
    ratio: of((t) => t.certificate.per_s / t.key.per_s),
    target: { atLeast: 0.9 },
  });
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
    return { server, live: (heapUsed + external) / 1e6, rss: rssKiB(server.pid) / 1024 };
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
  await empty.server.stop();
  const full = await measure();
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

/** A certificate for the server, as files. */
async function certificateFiles(folder) {
  const { keys, key } = await keyPair();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '0a',
    name: 'CN=127.0.0.1',
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 86_400_000),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
  });
  const [TLS_CERT_FILE, TLS_KEY_FILE] = [path.join(folder, 'tls-cert.pem'), path.join(folder, 'tls-key.pem')];
  fs.writeFileSync(TLS_CERT_FILE, certificate.toString('pem'));
  fs.writeFileSync(TLS_KEY_FILE, key);
  return { TLS_CERT_FILE, TLS_KEY_FILE };
}

/** A certificate signing request, and its key in PEM. */
async function request() {
  const { keys, key } = await keyPair();
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=device',
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return { csr: csr.toString('pem'), key };
}

async function keyPair() {
  const keys = /** @type {any} */ (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']));
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { keys, key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') };
}
