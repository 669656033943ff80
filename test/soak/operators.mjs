// Server and PostgreSQL are killed at random moments while operators rotate keys, delete, save and resend, and instances run: what is kept is
// never half of anything, no key is lost, and every instance goes on.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '../load/lib.mjs';
import { freePort } from '../load/testbed.mjs';
import { anotherServer, ready } from './servers.mjs';

const AGENT = fileURLToPath(new URL('../../dist/agent/gatehouse-agent.mjs', import.meta.url));
const ADMIN = fileURLToPath(new URL('../../dist/server/admin.js', import.meta.url));
const INSTANCES = 3;
/** Kills, until everybody pauses and everything is looked at. */
const LOOK_EVERY = 10;
const AT_ONCE = { canary: 0, perMinute: null };
/** Why an instance may not have had something: nobody answered who could; its secret went, or another bundle or signing key followed, just then. */
const REASONS =
  /hang up|ECONNREFUSED|ECONNRESET|EPIPE|answer 503|cannot be made|the lease is for another one|that another has followed/;

const pick = (list) => list[Math.floor(Math.random() * list.length)];

export const operators = {
  about: 'kill -9 of server and PostgreSQL while instances run and operators change everything',
  times: 60,
  async run(testbed, times) {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-soak-'));
    const databaseUrl = await testbed.database();
    const port = await freePort();
    const start = () => anotherServer(testbed, databaseUrl, { port });
    let server = await start();
    const orgId = `soak-${randomBytes(4).toString('hex')}`;
    const { key, profileId } = await server.organization(orgId);
    const agents = Array.from({ length: INSTANCES }, (_, i) => startAgent(join(folder, `${i}`), server.url, key));
    const desk = new Desk(testbed, () => server, { orgId, profileId, folder });
    try {
      // Before a document names a secret: such a key would not approve its sites then.
      while ((await server.sql(`SELECT FROM site WHERE status = 'approved'`)).length < INSTANCES) await sleep(100);
      await desk.settle(agents);
      for (let i = 0; i < times; ) {
        const round = Math.min(LOOK_EVERY, times - i);
        desk.open();
        for (let n = 0; n < round; n++, i++) {
          await sleep(Math.random() * 1_500);
          if (Math.random() < 0.3) await testbed.killPostgres();
          else {
            server.child.kill('SIGKILL');
            await server.child.ended;
            server = await start();
          }
          await ready([server]);
        }
        await desk.close();
        await desk.settle(agents);
      }
      const reasons = agents.flatMap(({ output }) =>
        [...output().matchAll(/could not be had: (.*)/g)].map((m) => m[1]),
      );
      const others = reasons.filter((reason) => !REASONS.test(reason ?? ''));
      const events = await server.sql(
        `SELECT type, count(*)::int AS n FROM event WHERE type IN ('site.cloned', 'bundle.failed') GROUP BY 1`,
      );
      const [{ sites }] = await server.sql('SELECT count(*)::int AS sites FROM site');
      if (others.length > 0 || events.length > 0 || sites !== INSTANCES)
        throw new Error(`${sites} sites, ${JSON.stringify(events)}, and instances heard: ${others.join('; ')}`);
      return { claims: sites, kills: times, changes: desk.changes, lost: desk.lost, exports: desk.exports };
    } finally {
      for (const { child } of agents) child.kill('SIGTERM');
      await Promise.all(agents.map(({ ended }) => ended));
      await desk.close();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** An instance with a folder of its own. */
function startAgent(folder, url, key) {
  const flags = ['--config-file', join(folder, 'config.json'), '--endpoint', url, '--provisioning-key', key];
  const words = [
    'run',
    '--bundle-dir',
    join(folder, 'bundle'),
    '--',
    process.execPath,
    '-e',
    'setInterval(() => {}, 1e6)',
  ];
  const child = spawn(process.execPath, [AGENT, ...flags, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (chunk) => (output += chunk));
  return { child, ended: once(child, 'exit'), output: () => output };
}

/** Whoever changes things, one after the other, and hears of it or does not. */
class Desk {
  changes = 0;
  lost = 0;
  exports = 0;
  #saves = 0;
  #open = false;
  #working = Promise.resolve();

  /**
   * @param {import('../load/testbed.mjs').Testbed} testbed
   * @param {() => import('../load/testbed.mjs').Server} server
   * @param {{ orgId: string, profileId: number, folder: string }} of
   */
  constructor(testbed, server, of) {
    this.testbed = testbed;
    this.server = server;
    this.of = of;
  }

  open() {
    this.#open = true;
    this.#working = this.#work();
    this.#working.catch(() => undefined);
  }

  /** @throws what an operator was answered that they may not be */
  async close() {
    this.#open = false;
    await this.#working;
  }

  /** Everybody has everything, and nothing is half. @throws when an instance has ended, or the check finds anything */
  async settle(agents) {
    await this.#insist(() => this.#ask('PUT', '/secret', { name: 'TOKEN', value: 'whole' }, [409]));
    await this.#insist(() => this.#save());
    for (;;) {
      for (const { child, output } of agents)
        if (child.exitCode !== null) throw new Error(`an instance ended with ${child.exitCode}:\n${output()}`);
      const done = await this.server().sql(
        `SELECT FROM site_bundle b JOIN bootstrap USING (org_id)
         WHERE b.state = 'applied' AND b.applied_version = b.version AND (b.inputs->>'revision')::int = current_revision`,
      );
      if (done.length === agents.length) break;
      await sleep(100);
    }
    const { code, output } = await this.#admin(['check']);
    if (code !== 0) throw new Error(`the check finds:\n${output}`);
  }

  async #work() {
    const acts = [
      () => this.#resend(),
      () => this.#ask('POST', '/signing-key/rotate', {}, [409]),
      () =>
        this.#ask('POST', '/secret/TOKEN/version', { value: randomBytes(8).toString('hex'), rollout: AT_ONCE }, [404]),
      () => this.#deleteAndMake(),
      () => this.#save(),
    ];
    while (this.#open) await (Math.random() < 0.1 ? this.#export() : pick(acts)());
  }

  async #resend() {
    const sites = await this.server()
      .sql('SELECT site_id AS id FROM site')
      .catch(() => []);
    const site = pick(sites);
    if (site) await this.#ask('POST', `/../../site/${site.id}/bundle/resend`);
  }

  /** Names a secret that may be gone just now. */
  #save() {
    const document = `env: { TOKEN: "{{secret.TOKEN}}", N: "${this.#saves++}" }\nrun: { ready: { afterSeconds: 0 } }\n`;
    const { profileId } = this.of;
    return this.#ask('PUT', `/provisioning-profile/${profileId}/bootstrap`, { document, rollout: AT_ONCE }, [400]);
  }

  async #deleteAndMake() {
    await this.#ask('DELETE', '/secret/TOKEN?force=true', undefined, [404]);
    await this.#insist(() => this.#ask('PUT', '/secret', { name: 'TOKEN', value: 'again' }, [409]));
  }

  /** The command may die, too. What it took out of the database is in its file, and that key is the one that follows. */
  async #export() {
    const { orgId, folder } = this.of;
    const file = join(folder, `next-${this.exports++}.pem`);
    await this.#admin(['export-next-key', orgId, '--key-file', file], Math.random() < 0.5);
    const keptApart = async () => {
      const { keys } = await this.#insist(() => this.#ask('GET', '/signing-keys'));
      return keys.some((one) => one.keptApart);
    };
    while (await keptApart()) {
      if (!existsSync(file)) throw new Error('the next signing key is kept apart, and nobody has it');
      const { code, output } = await this.#admin(
        ['rotate-signing-key', orgId, '--key-file', file],
        Math.random() < 0.3,
      );
      if (code === 1 && /is not .*announced|no Ed25519/.test(output))
        throw new Error(`the exported key is lost: ${output}`);
    }
  }

  /** @param {string[]} args @param {boolean} [doomed] it is killed at a random moment */
  async #admin(args, doomed = false) {
    const child = this.testbed.node(ADMIN, args, {
      env: { DATABASE_URL: String(this.server().databaseUrl), MASTER_KEY: Buffer.alloc(32, 7).toString('base64') },
    });
    const timer = doomed ? setTimeout(() => child.kill('SIGKILL'), Math.random() * 1_500) : undefined;
    await child.ended;
    clearTimeout(timer);
    return { code: child.exitCode, output: child.output };
  }

  /** Until it was answered. */
  async #insist(act) {
    for (;;) {
      const data = await act();
      if (data !== undefined) return data;
      await sleep(100);
    }
  }

  /**
   * One request. @returns `data`, {} where there is none; undefined when nobody answered who could
   * @param {string} method
   * @param {string} route below the organization
   * @param {object} [body]
   * @param {number[]} [refusals] statuses that may be
   */
  async #ask(method, route, body, refusals = []) {
    const { url } = this.server();
    const answer = await fetch(`${url}/api/v1/org/${this.of.orgId}${route}`, {
      method,
      headers: {
        authorization: `Bearer ${this.testbed.rootKey}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
      .then(async (response) => ({ status: response.status, body: /** @type {any} */ (await response.json()) }))
      .catch(() => undefined);
    if (!answer || answer.status === 503) {
      this.lost++;
      await sleep(50);
      return undefined;
    }
    this.changes++;
    if (answer.status >= 300 && !refusals.includes(answer.status))
      throw new Error(`${method} ${route}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body.data ?? {};
  }
}
