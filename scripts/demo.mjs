// `npm run demo`: a whole rollout in half a minute. One key, 25 machines, an approval, and the 26th that comes too late. Then web servers that
// start only with a valid key (demo-instances.mjs). Everything is real: the built server with its own PostgreSQL, and 30 processes of the agent
// program. All of it is gone at the end.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer as createWebServer, get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { instances } from './demo-instances.mjs';
import { help, root, setUp } from './setup.mjs';

const MACHINES = 25;
help(
  'npm run demo: a rollout of 25 machines and of three web servers on this one, gone at the end; it takes no arguments',
);
await setUp();
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-demo-'));
// PostgreSQL does not run as root; under root it is another account that must get through.
chmodSync(folder, 0o711);
const port = await freePort();
const edgePort = await freePort();
const rootKey = `demo${randomBytes(6).toString('hex')}.${randomBytes(24).toString('hex')}`;
const url = `http://127.0.0.1:${port}`;
/** @typedef {import('node:child_process').ChildProcess & { label: string, output: string[] }} Child */
/** @type {Set<Child>} */
const children = new Set();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void stop(130));

try {
  await main();
  await stop(0);
} catch (error) {
  console.error(`\nThe demo failed: ${error.message}`);
  await stop(1);
}

async function main() {
  say('A server with an empty database');
  const started = Date.now();
  const server = run('server', [join(root, 'dist/server/main.js')], {
    PORT: String(port),
    EDGE_PORT: String(edgePort),
    HOST: '127.0.0.1',
    DATA_DIR: join(folder, 'data'),
    ROOT_API_KEY: rootKey,
    LOG_LEVEL: 'warn',
  });
  await until(
    'the server is ready',
    () => ready(),
    () => server.exitCode === null || server.output.join(''),
  );
  tell(
    `${url} is up after ${((Date.now() - started) / 1000).toFixed(1)} s: PostgreSQL made, schema migrated, organization "default" created.`,
  );

  say('One key for 25 machines, and nobody gets in without approval');
  const template = await api('PUT', '/org/default/provisioning-template', {
    name: 'factory',
    approveNewSites: false,
    hardwareIdPattern: 'SN-[0-9]{4}',
  });
  const key = await api('PUT', '/org/default/site-provisioning-key', {
    name: 'Line 4, November',
    templateId: template.templateId,
    maxBatchSize: MACHINES,
  });
  tell(
    `Key ${key.siteProvisioningKey.split('.')[0]}.… may make ${key.maxBatchSize} sites; hardware ids must look like SN-0000.`,
  );

  say(`${MACHINES} machines boot at once and exchange the key for credentials of their own`);
  for (let i = 1; i <= MACHINES; i++) agent(serial(i), key.siteProvisioningKey);
  await until('all are connected', async () => (await sites('&online=true')).pagination.total === MACHINES);
  const pending = await sites('&status=pending');
  tell(`${pending.pagination.total} sites, all pending: connected, but without configuration.`);
  table(pending.sites.slice(0, 3));
  tell(`… and ${pending.pagination.total - 3} more.`);

  say('An operator approves them all, in one request');
  const decided = await api('POST', '/org/default/approvals', {
    filter: { keyId: key.siteProvisioningKeyId },
    decision: 'approve',
    note: 'Line 4 commissioned',
  });
  const approved = await sites('&status=approved&online=true');
  tell(`${decided.results.length} decided; ${approved.pagination.total} sites approved and online, no reconnect.`);
  table(approved.sites.slice(0, 3));

  say('The 26th machine comes too late');
  const late = agent(serial(MACHINES + 1), key.siteProvisioningKey, ['--no-wait']);
  const [code] = await once(late, 'exit');
  const after = await api('GET', `/org/default/site-provisioning-key/${key.siteProvisioningKeyId}`);
  if (code !== 77) throw new Error(`the 26th machine ended with ${code} instead of 77: ${late.output.join('')}`);
  tell(
    `Refused: the agent ended with exit code 77. The key is ${after.state}: ${after.numUsed} of ${after.maxBatchSize} uses.`,
  );
  const claims = await until('the refusal is recorded', async () => {
    const list = await api('GET', '/org/default/claims?outcome=refused');
    return list.claims.length > 0 && list.claims;
  });
  tell(
    `The machine was not told why; the operator is: "${claims[0].reason}", hardware id ${claims[0].hardwareId}, from ${claims[0].address}.`,
  );

  await webApp(approved.sites[0].siteId);

  say('What the feed says');
  const { events } = await api('GET', '/org/default/events?limit=1000');
  for (const [type, n] of Object.entries(count(events.map((e) => e.type)))) tell(`${String(n).padStart(3)} × ${type}`);

  const stopServer = async () => {
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await ended;
  };
  await instances({ url, folder, stopServer, api, run, until, freePort, say, tell });
}

/** A web server that only the agent of a site can reach is fetched through the edge. */
async function webApp(siteId) {
  say('A web app behind one of them gets a public name');
  const app = createWebServer((request, response) => response.end(`hello from the floor, ${request.url}`));
  await once(app.listen(0, '127.0.0.1'), 'listening');
  const { domains } = await api('GET', '/org/default/domains');
  const { resourceId, fullDomain } = await api('PUT', '/org/default/resource', {
    name: 'My app',
    http: true,
    protocol: 'tcp',
    domainId: domains[0].domainId,
    subdomain: 'my-app',
  });
  await api('PUT', `/resource/${resourceId}/target`, {
    siteId,
    ip: '127.0.0.1',
    port: /** @type {import('node:net').AddressInfo} */ (app.address()).port,
    method: 'http',
  });
  await api('POST', `/resource/${resourceId}`, { sso: false });
  const answer = await until('the app is served', () => fetchByName(fullDomain, '/line/4'));
  tell(`http://${fullDomain}:${edgePort}/line/4 → ${answer}`);
  app.close();
}

/** Names below localhost lead to this machine in browsers, but not in every resolver. @returns the text of a 200, else undefined */
function fetchByName(host, path) {
  return new Promise((done, failed) => {
    get({ host: '127.0.0.1', port: edgePort, path, headers: { host: `${host}:${edgePort}` } }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      answer.on('end', () => done(answer.statusCode === 200 ? text : undefined));
    }).on('error', failed);
  });
}

function agent(hardwareId, key, flags = []) {
  const config = join(folder, hardwareId, 'agent.json');
  const args = [
    join(root, 'dist/agent/gatehouse-agent.mjs'),
    '--endpoint',
    url,
    '--config-file',
    config,
    '--hardware-id',
    hardwareId,
    '--name',
    `edge-${hardwareId}`,
    ...flags,
  ];
  return run(hardwareId, args, { NEWT_PROVISIONING_KEY: key });
}

function run(name, args, env) {
  const started = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, HOME: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const child = Object.assign(started, { label: name, output: /** @type {string[]} */ ([]) });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => child.output.push(String(chunk)));
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Agents first, then the server, which stops its database last. */
async function stop(code) {
  const agents = [...children].filter((child) => child.label !== 'server');
  const server = [...children].find((child) => child.label === 'server');
  for (const group of [agents, server ? [server] : []]) {
    const ends = group.map((child) => once(child, 'exit'));
    for (const child of group) child.kill('SIGTERM');
    await Promise.all(ends);
  }
  if (code === 0) say('Everything is stopped and removed.');
  process.exit(code);
}

async function api(method, path, body) {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${rootKey}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const answer = /** @type {{ data: any, message: string }} */ (await response.json());
  if (!response.ok) throw new Error(`${method} ${path}: ${answer.message}`);
  return answer.data;
}

function sites(filter) {
  return api('GET', `/org/default/sites?pageSize=1000${filter}`);
}
function serial(i) {
  return `SN-${String(i).padStart(4, '0')}`;
}
function ready() {
  return fetch(`${url}/readyz`).then(
    (r) => r.ok,
    () => false,
  );
}

/** @param {() => string | true} [alive] true, or the output of the server that ended. */
async function until(what, condition, alive = () => true) {
  for (let i = 0; i < 1200; i++) {
    const value = await condition();
    if (value) return value;
    if (alive() !== true) throw new Error(`${what}: the server ended\n${alive()}`);
    await delay(50);
  }
  throw new Error(`${what}: not within a minute`);
}

function table(rows) {
  for (const s of rows)
    tell(
      `  ${String(s.siteId).padEnd(4)} ${s.name.padEnd(14)} ${s.address.padEnd(20)} ${s.status.padEnd(9)} ${s.online ? 'online' : 'offline'}`,
    );
}

function count(words) {
  const counts = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

function say(sentence) {
  console.log(`\n${sentence}`);
}
function tell(sentence) {
  console.log(`  ${sentence}`);
}

async function freePort() {
  for (;;) {
    const candidate = 10_000 + Math.floor(Math.random() * 22_000);
    const probe = createServer();
    const free = await new Promise((done) =>
      probe.once('error', () => done(false)).listen(candidate, '127.0.0.1', () => done(true)),
    );
    if (!free) continue;
    await new Promise((done) => probe.close(done));
    return candidate;
  }
}
