// What one message of a stranger costs the event loop, in milliseconds: the corpus of test/support/hostile-requests.ts at doors, frames and documents.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transform } from 'esbuild';
import { WebSocket } from 'ws';
import { round, sleep } from './lib.mjs';
import { freePort } from './testbed.mjs';

const LIMIT_MS = 50;
const ROUNDS = 3;
/** The server's histogram of its turns has a sample every 10 ms, and that is what an idle one shows. */
const SAMPLES_MS = 30;
const DOORS = ['auth/newt/get-token', 'auth/newt/register', 'provision', 'auth/login'];
const PROXY_SECRET = 's'.repeat(32);
/** For who has the credential of a site. */
const SITE_DOORS = ['device/bundle/ack', 'device/lease', 'device/credential/renew'];
/** Of one header field: Node reads 16 KB of them. */
const FIELD = 12_000;

async function corpus(file) {
  const { code } = await transform(readFileSync(new URL(`../support/${file}`, import.meta.url), 'utf8'), {
    loader: 'ts',
    format: 'esm',
  });
  return import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`);
}

export async function hostile({ testbed, table }) {
  const { HOSTILE, HOSTILE_VALUES, HOSTILE_DOCUMENTS, HOSTILE_PATTERN } = await corpus('hostile-requests.ts');
  const { HOSTILE_CSRS } = await corpus('hostile-csrs.ts');
  const metricsPort = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-hostile-'));
  const secretFile = join(folder, 'secret');
  writeFileSync(secretFile, PROXY_SECRET);
  const server = await testbed.server(await testbed.database(), {
    env: {
      REFUSALS_PER_MINUTE: '1000000000',
      CLAIM_REFUSAL_FLOOR_MS: '0',
      METRICS_PORT: String(metricsPort),
      // A proxy that ends TLS and tells certificates: this machine.
      TRUST_PROXY: '127.0.0.1',
      CLIENT_CERT_FROM: '127.0.0.1',
      CLIENT_CERT_SECRET_FILE: secretFile,
    },
  });
  const org = 'hostile';
  await server.api('PUT', '/org', { orgId: org, name: org, subnet: '10.0.0.0/12', utilitySubnet: '100.96.128.0/20' });
  const { siteProvisioningKey } = await server.api('PUT', `/org/${org}/site-provisioning-key`, {
    name: 'key',
    maxBatchSize: null,
  });
  /**
   * @param {string} path
   * @param {string} body
   * @param {{ type?: string, as?: string, method?: string }} [options] `as`: the header Authorization.
   * @returns {Promise<{ data: Record<string, string> }>}
   */
  const post = async (path, body, { type = 'application/json', as, method = 'POST' } = {}) => {
    const response = await fetch(`${server.url}/api/v1/${path}`, {
      method,
      headers: { 'content-type': type, ...(as ? { authorization: as } : {}) },
      body,
    });
    return /** @type {Promise<{ data: Record<string, string> }>} */ (response.json());
  };

  const root = `Bearer ${testbed.rootKey}`;
  const newt = (await post('auth/newt/register', JSON.stringify({ provisioningKey: siteProvisioningKey }))).data;
  const site = `Basic ${Buffer.from(`${newt.newtId}:${newt.secret}`).toString('base64')}`;
  const { profileId } = await server.api('PUT', `/org/${org}/provisioning-profile`, { name: 'instances' });
  const bootstrap = `org/${org}/provisioning-profile/${profileId}/bootstrap`;
  await server.api('PUT', `/org/${org}/secret`, { name: 'TOKEN', value: 'x' });

  /** The longest turn of the event loop since the last look. */
  const lag = async () => {
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    const seconds = /^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(text)?.[1];
    if (seconds === undefined) throw new Error('The metrics do not name the longest turn of the event loop');
    return 1000 * Number(seconds);
  };
  const cost = async (send) => {
    const turns = [];
    for (let i = 0; i < ROUNDS; i++) {
      await lag();
      await send();
      await sleep(SAMPLES_MS);
      turns.push(await lag());
    }
    // What others do on this machine is no cost of the message.
    return Math.min(...turns);
  };
  const worst = async (what, shots) => {
    const costs = [];
    for (const { name, send } of shots) costs.push({ name, ms: await cost(send) });
    const slowest = costs.reduce((a, b) => (b.ms > a.ms ? b : a));
    table.row({
      what: `${what}: longest turn`,
      ours: `${round(slowest.ms, 1)} ms (${slowest.name})`,
      against: `${shots.length} inputs`,
      value: slowest.ms,
      target: { below: LIMIT_MS },
      unit: ' ms',
    });
  };

  await worst(
    'hostile bodies',
    DOORS.flatMap((door) =>
      HOSTILE.map(({ name, text }) => ({ name: `${door}, ${name}`, send: () => post(door, text) })),
    ),
  );
  await worst(
    'hostile bodies of a site',
    SITE_DOORS.flatMap((door) =>
      HOSTILE.map(({ name, text }) => ({ name: `${door}, ${name}`, send: () => post(door, text, { as: site }) })),
    ),
  );
  await worst(
    'hostile fields',
    HOSTILE_VALUES.flatMap(({ name, text }) => [
      { name: `email = ${name}`, send: () => post('auth/login', `{"email":${text},"password":"x"}`) },
      {
        name: `config = ${name}`,
        send: () =>
          post(`org/${org}/provisioning-profile`, `{"name":"x","config":${text}}`, { method: 'PUT', as: root }),
      },
      {
        name: `labels = ${name}`,
        send: () =>
          post(`org/${org}/provisioning-profile`, `{"name":"x","labels":${text}}`, { method: 'PUT', as: root }),
      },
    ]),
  );
  await worst(
    'hostile fields of instances',
    HOSTILE_VALUES.flatMap(({ name, text }) => [
      {
        name: `value = ${name}`,
        send: () => post(`org/${org}/secret`, `{"name":"X","value":${text}}`, { method: 'PUT', as: root }),
      },
      {
        name: `profileIds = ${name}`,
        send: () => post(`org/${org}/secret/TOKEN`, `{"profileIds":${text}}`, { as: root }),
      },
      {
        name: `rollout = ${name}`,
        send: () => post(`org/${org}/secret/TOKEN/version`, `{"value":"x","rollout":${text}}`, { as: root }),
      },
      {
        name: `document = ${name}`,
        send: () => post(bootstrap, `{"document":${text}}`, { method: 'PUT', as: root }),
      },
      {
        name: `reason = ${name}`,
        send: () =>
          post('device/bundle/ack', `{"version":1,"digest":"x","state":"failed","reason":${text}}`, { as: site }),
      },
      {
        name: `nonce and prev = ${name}`,
        send: () =>
          post('device/lease', `{"nonce":${text},"prev":${text},"ver":0}`.slice(0, 1024 * 1024), { as: site }),
      },
    ]),
  );
  const pieces = HOSTILE_DOCUMENTS.flatMap(({ name, text }) => [
    { name, text },
    // What is read at once, and what needs a thread at least.
    ...[2048, 16_384].map((length) => ({ name: `${name}, the first ${length}`, text: text.slice(0, length) })),
  ]);
  for (const [what, path] of Object.entries({ blueprints: `org/${org}/blueprint`, bootstraps: bootstrap }))
    await worst(
      `hostile documents as ${what}`,
      pieces.map(({ name, text }) => ({
        name,
        send: () => post(path, text, { method: 'PUT', type: 'application/yaml', as: root }),
      })),
    );
  const { siteId } = (await server.api('GET', `/org/${org}/sites`)).sites[0];
  await worst(
    'hostile rotations',
    HOSTILE_VALUES.flatMap(({ name, text }) => [
      {
        name: `overlapSeconds = ${name}`,
        send: () => post(`site/${siteId}/rotate-credential`, `{"overlapSeconds":${text}}`, { as: root }),
      },
      {
        name: `filter = ${name}`,
        send: () => post(`org/${org}/credential-rotations`, `{"filter":${text}}`, { as: root }),
      },
      {
        name: `filter.siteIds = ${name}`,
        send: () => post(`org/${org}/credential-rotations`, `{"filter":{"siteIds":${text}}}`, { as: root }),
      },
      {
        name: `challenge and bundle_key = ${name}`,
        send: () =>
          post('device/credential/renew', `{"challenge":${text},"bundle_key":${text}}`.slice(0, 1024 * 1024), {
            as: site,
          }),
      },
    ]),
  );

  const { templateId } = await server.api('PUT', `/org/${org}/provisioning-template`, {
    name: 'certificates',
    credentialType: 'certificate',
  });
  const certificates = await server.api('PUT', `/org/${org}/site-provisioning-key`, {
    name: 'certificates',
    templateId,
    maxBatchSize: null,
  });
  const [{ caId }] = (await server.api('GET', `/org/${org}/certificate-authorities`)).authorities;
  /** @param {string} path @param {Record<string, string>} headers @param {string} [body] */
  const proxied = async (path, headers, body) => {
    const response = await fetch(`${server.url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        'x-forwarded-proto': 'https',
        'x-gatehouse-proxy': PROXY_SECRET,
        ...(body === undefined ? {} : { 'content-type': 'application/pkcs10' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    await response.arrayBuffer();
    if (response.status === 403) throw new Error('The server takes this machine for no proxy that ends TLS');
  };
  let devices = 0;
  const basic = (/** @type {string} */ text) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
  const enrol = (/** @type {string} */ body) =>
    proxied('/.well-known/est/simpleenroll', basic(`device ${++devices}:${certificates.siteProvisioningKey}`), body);
  await worst(
    'hostile signing requests',
    HOSTILE_CSRS.flatMap(({ name, der }) => {
      const base64 = der.toString('base64');
      const csr = `-----BEGIN CERTIFICATE REQUEST-----\n${base64}\n-----END CERTIFICATE REQUEST-----`.slice(0, 16_384);
      return [
        { name: `simpleenroll, ${name}`, send: () => enrol(base64) },
        {
          name: `provision, ${name}`,
          send: () =>
            post(
              'provision',
              JSON.stringify({ provision_key: certificates.siteProvisioningKey, hardware_id: `d ${++devices}`, csr }),
            ),
        },
      ];
    }),
  );
  const SIGNS = ['=', ' ', '\n', 'A', '/', ':', '\\', ','];
  await worst('hostile bodies of EST', [
    ...SIGNS.map((sign) => ({ name: `${sign} for 32 KB`, send: () => enrol(sign.repeat(32_000)) })),
    ...HOSTILE.map(({ name, text }) => ({ name, send: () => enrol(text.slice(0, 32_000)) })),
    { name: 'a megabyte', send: () => enrol('A'.repeat(1_000_000)) },
  ]);
  await worst(
    'hostile header fields',
    [...SIGNS.filter((sign) => sign !== '\n'), ':A', '=A', '\\"'].flatMap((sign) => {
      const text = sign.repeat(FIELD / sign.length);
      return [
        { name: `Client-Cert of ${sign}`, send: () => proxied('/api/v1/device/self', { 'client-cert': `:${text}:` }) },
        {
          name: `Client-Cert of ${sign} to simplereenroll`,
          send: () => proxied('/.well-known/est/simplereenroll', { 'client-cert': text }, 'x'),
        },
        {
          name: `Basic of ${sign}`,
          send: () => proxied('/.well-known/est/cacerts', { authorization: `Basic ${text}` }),
        },
        { name: `a user of ${sign}`, send: () => proxied('/.well-known/est/cacerts', basic(text.slice(0, 9_000))) },
        {
          name: `If-None-Match of ${sign} for a list`,
          send: () => proxied(`/api/v1/ca/${caId}/crl`, { 'if-none-match': text }),
        },
        {
          name: `If-Modified-Since of ${sign} for a list`,
          send: () => proxied(`/api/v1/ca/${caId}/crl`, { 'if-modified-since': text }),
        },
      ];
    }),
  );
  await worst('hostile patterns', [
    {
      name: 'hardwareIdPattern',
      send: () =>
        post(`org/${org}/provisioning-template`, JSON.stringify({ name: 'x', hardwareIdPattern: HOSTILE_PATTERN }), {
          method: 'PUT',
          as: root,
        }),
    },
  ]);

  const { token } = (await post('auth/newt/get-token', JSON.stringify(newt))).data;
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/ws?clientType=newt&token=${token}`, {
    perMessageDeflate: false,
  });
  await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
  const frame = (text) =>
    /** @type {Promise<void>} */
    (
      new Promise((resolve) => {
        ws.on('message', function pong(data) {
          if (JSON.parse(String(data)).type !== 'pong') return;
          ws.off('message', pong);
          resolve();
        });
        ws.send(text);
        ws.send('{"type":"newt/ping","data":{}}');
      })
    );
  const frames = ['agent/hello', 'newt/socket/containers', 'agent/blueprint', 'agent/bundle', 'agent/lease'].flatMap(
    (type) =>
      HOSTILE_VALUES.flatMap(({ name, text }) => [
        { name: `${type}, ${name}`, send: () => frame(`{"type":"${type}","data":${text}}`) },
        {
          name: `${type}, facts or document = ${name}`,
          send: () =>
            frame(
              `{"type":"${type}","data":{"protocol":1,"version":"1","id":"x","kind":"file","facts":${text},"document":${text}}}`.slice(
                0,
                1024 * 1024,
              ),
            ),
        },
      ]),
  );
  for (const { name, text } of HOSTILE_VALUES)
    frames.push(
      {
        name: `agent/bundle, digest and reason = ${name}`,
        send: () =>
          frame(
            `{"type":"agent/bundle","data":{"version":1,"state":"failed","digest":${text},"reason":${text}}}`.slice(
              0,
              1024 * 1024,
            ),
          ),
      },
      {
        name: `agent/lease, nonce and prev = ${name}`,
        send: () =>
          frame(`{"type":"agent/lease","data":{"nonce":${text},"prev":${text},"ver":0}}`.slice(0, 1024 * 1024)),
      },
    );
  await worst('hostile frames', frames);
  ws.terminate();
  await server.stop();
  rmSync(folder, { recursive: true });
}
