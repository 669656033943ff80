// A real edge, a real agent and a web server behind it, each a process of its own, and what they are measured against.
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '../lib.mjs';
import { dieWithParent, findProgram, freePort } from '../testbed.mjs';
import { certificateFiles } from '../tls-devices.mjs';

const ORG = 'bench';
const AGENT = fileURLToPath(new URL('../../../dist/agent/gatehouse-agent.mjs', import.meta.url));
/** None of them decides about the requests of the bench; each is looked at. */
const RULES = [
  { action: 'DROP', match: 'CIDR', value: '192.0.2.0/24' },
  { action: 'DROP', match: 'IP', value: '198.51.100.7' },
  { action: 'DROP', match: 'PATH', value: '/admin/*' },
];

/**
 * @typedef {import('./client.mjs').Way} Way
 * @typedef {import('../testbed.mjs').Child} Child
 */

/** What all parts of the case use. */
export class EdgeWorld {
  /** @type {import('../testbed.mjs').Server} */
  server;
  /** @type {Child} */
  agent;
  /** @type {{ siteId: number, newtId: string, secret: string }} */
  site;
  /** Through edge and agent. @type {Way & { resourceId: number }} */
  ours;
  /** Without anything between. @type {Way} */
  direct;
  /** Through two TCP proxies in a row. @type {Way} */
  proxies;
  /** Their processes. @type {number[]} */
  proxyPids = [];
  /** By port. @type {Map<number, Child>} */
  #beside = new Map();
  #databaseUrl;
  targetPort = 0;

  /**
   * @param {import('../testbed.mjs').Testbed} testbed
   * @param {{ databaseUrl: string, ports: { api: number, edge: number, tls: number }, certificate: { TLS_CERT_FILE: string, TLS_KEY_FILE: string } }} about
   */
  constructor(testbed, { databaseUrl, ports, certificate }) {
    this.testbed = testbed;
    this.ports = ports;
    this.certificate = certificate;
    this.#databaseUrl = databaseUrl;
  }

  /** @param {import('../testbed.mjs').Testbed} testbed */
  static async open(testbed) {
    const world = new EdgeWorld(testbed, {
      databaseUrl: await testbed.database(),
      ports: { api: await freePort(), edge: await freePort(), tls: await freePort() },
      certificate: await certificateFiles(testbed.folder),
    });
    world.targetPort = await world.beside('target.mjs', []);
    await world.startServer();
    await world.server.api('PUT', '/org', {
      orgId: ORG,
      name: ORG,
      subnet: '10.0.0.0/16',
      utilitySubnet: '100.96.128.0/20',
    });
    world.site = await world.makeSite();
    world.startAgent();
    world.ours = await world.publish('bench', world.site.siteId);
    const { host } = world.ours;
    world.direct = { host, port: world.targetPort };
    const last = await world.beside('proxies.mjs', ['tcp'], world.targetPort);
    const first = await world.beside('proxies.mjs', ['tcp'], last);
    world.proxies = { host, port: first };
    world.proxyPids = [first, last].map((port) => Number(world.#beside.get(port)?.pid));
    return world;
  }

  async startServer() {
    const { api, edge, tls } = this.ports;
    const folder = path.join(this.testbed.folder, 'certificates');
    fs.mkdirSync(folder, { recursive: true });
    fs.copyFileSync(this.certificate.TLS_CERT_FILE, path.join(folder, '*.localhost.crt'));
    fs.copyFileSync(this.certificate.TLS_KEY_FILE, path.join(folder, '*.localhost.key'));
    this.server = await this.testbed.server(this.#databaseUrl, {
      port: api,
      env: { EDGE_PORT: String(edge), EDGE_TLS_PORT: String(tls), EDGE_CERT_DIR: folder },
    });
  }

  startAgent() {
    this.agent = this.agentOf(this.site, this.server.url);
  }

  get pids() {
    return [this.server.pid, this.agent.pid].map(Number);
  }

  /** nginx as a reverse proxy, where it is found. @returns {Promise<Way | undefined>} */
  async nginx() {
    if (!findProgram('nginx')) return undefined;
    const folder = path.join(this.testbed.folder, 'nginx');
    return { host: this.ours.host, port: await this.beside('proxies.mjs', ['nginx'], this.targetPort, [folder]) };
  }

  makeSite() {
    return this.server.api('PUT', `/org/${ORG}/site`, { name: 'bench', type: 'newt' });
  }

  /** The agent program of a site. @returns {Child} */
  agentOf({ newtId, secret }, endpoint) {
    const folder = path.join(this.testbed.folder, `agent-${newtId}`);
    fs.mkdirSync(folder, { recursive: true });
    return this.testbed.node(AGENT, ['--endpoint', endpoint, '--id', newtId, '--secret', secret], {
      env: { HOME: folder, CONFIG_FILE: path.join(folder, 'config.json'), XDG_RUNTIME_DIR: folder },
      nodeArgs: ['--import', dieWithParent],
    });
  }

  /** A resource with rules that leads to the target, once it is served. @returns {Promise<Way & { resourceId: number }>} */
  async publish(name, siteId, targetPort = this.targetPort) {
    const { server } = this;
    const { domains } = await server.api('GET', `/org/${ORG}/domains`);
    const { resourceId, fullDomain } = await server.api('PUT', `/org/${ORG}/resource`, {
      name,
      http: true,
      protocol: 'tcp',
      domainId: domains[0].domainId,
      subdomain: name,
    });
    await server.api('POST', `/resource/${resourceId}`, { sso: false, ssl: false, applyRules: true });
    for (const [i, rule] of RULES.entries())
      await server.api('PUT', `/resource/${resourceId}/rule`, { ...rule, priority: i + 1 });
    const target = { siteId, ip: '127.0.0.1', port: targetPort, method: 'http' };
    await server.api('PUT', `/resource/${resourceId}/target`, target);
    const way = { host: fullDomain, port: this.ports.edge, resourceId };
    while ((await ask(way, '/200')).status !== 200) await sleep(50);
    return way;
  }

  /** Asks for a login at a resource from now on. @returns the cookie of one who has logged in at the dashboard */
  async logIn(way) {
    const { server } = this;
    const email = 'admin@example.com';
    await server.api('POST', `/resource/${way.resourceId}`, { sso: true });
    while ((await ask(way, '/200')).status !== 401) await sleep(50);
    const dashboard = async (route, body, cookie = '') => {
      const answer = await fetch(`${server.url}/api/v1${route}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-csrf-token': 'x-csrf-protection', cookie },
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`${route}: ${answer.status} ${await answer.text()}`);
      return answer;
    };
    const session = await dashboard('/auth/login', { email, password: 'correct horse battery' });
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const asked = await ask(way, '/.gatehouse/sso', { method: 'POST', headers: form, body: 'to=/200' });
    const wish = new URLSearchParams(new URL(asked.location).hash.slice(1)).get('request');
    const agreed = await dashboard('/auth/resource-login', { request: wish }, firstCookie(session));
    const { location } = /** @type {any} */ (await agreed.json()).data;
    const { pathname, search } = new URL(location);
    const back = await ask(way, pathname + search, { headers: { cookie: asked.cookie } });
    if (back.status !== 302) throw new Error(`The login ended with ${back.status}`);
    return back.cookie;
  }

  /** A process beside the edge that listens, once it does. @returns its port */
  async beside(script, before, to = 0, after = []) {
    const port = await freePort();
    const child = this.testbed.node(
      fileURLToPath(new URL(script, import.meta.url)),
      [...before, String(port), ...(to ? [String(to)] : []), ...after.map(String)],
      { nodeArgs: ['--import', dieWithParent] },
    );
    this.#beside.set(port, child);
    await told(child);
    return port;
  }

  /** Load from a process of its own; options as in load.mjs. @returns what came about */
  load(way, act, options) {
    return this.testbed.tool('edge/load.mjs', [JSON.stringify({ way, act, ...options })], 180);
  }

  /** Load that goes on until the process is killed, once it says something. */
  async loading(way, act, options) {
    const child = this.testbed.node(
      fileURLToPath(new URL('load.mjs', import.meta.url)),
      [JSON.stringify({ way, act, ...options })],
      { nodeArgs: ['--import', dieWithParent] },
    );
    await told(child);
    return child;
  }

  async close() {
    for (const child of [...this.#beside.values(), this.agent]) child.kill('SIGKILL');
    await this.server.stop();
  }
}

/** Waits for the first message of a process. */
export async function told(child) {
  const failed = child.ended.then(() => {
    throw new Error(`A process ended with ${child.exitCode}:\n${child.output}`);
  });
  return (await Promise.race([once(child, 'message'), failed]))[0];
}

/** One request over a connection of its own. */
function ask(way, route, { method = 'GET', headers = {}, body = '' } = {}) {
  const to = { host: '127.0.0.1', port: way.port, path: route, method, agent: false };
  return new Promise((done, failed) => {
    const asked = http.request({ ...to, headers: { ...headers, host: way.host } }, (answer) => {
      answer.resume().on('end', () =>
        done({
          status: answer.statusCode,
          location: answer.headers.location,
          cookie: (answer.headers['set-cookie'] ?? []).map((set) => set.split(';', 1)[0]).join('; '),
        }),
      );
    });
    asked.on('error', failed).end(body);
  });
}

const firstCookie = (answer) => answer.headers.get('set-cookie').split(';', 1)[0];
