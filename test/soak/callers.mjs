// 96 callers of everything that matters while something breaks: machines that claim, devices that fetch tokens, integrators that read,
// sessions that stay. Each says what it was answered; afterwards the database is held against what they were told.
import { randomBytes, randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { HttpConnection } from '../load/http-client.mjs';
import { inTurn, sleep } from '../load/lib.mjs';

const MIX = { machines: 40, limited: 8, tokens: 16, readers: 16, sessions: 16 };
const LIMIT = 100;
const JSON_HEADERS = { 'content-type': 'application/json' };

/** What a caller may hear while the database is away; anything else is a fault. */
const ANSWERS = { claim: [200, 201, 503], 'limited claim': [200, 201, 403, 503], token: [200, 503], read: [200, 503] };

/** @typedef {import('../load/testbed.mjs').Server} Server */
/** @typedef {{ hardwareId: string, apiKey: string }} Device */
/** @typedef {[method: string, path: string, headers: Record<string, string>, body?: string]} Request */

export class Callers {
  #stopping = false;
  /** @type {Promise<void>[]} */
  #running = [];
  /** How often each fault was seen. @type {Map<string, number>} */
  #faults = new Map();
  /** Hardware id → the device's API key. */
  claimed = new Map();
  /** The same of the limited key. */
  limited = new Map();
  /** The newest connection of each device that keeps a session. @type {{ device: Device, ws: WebSocket }[]} */
  sessions = [];
  refused = 0;
  answered = 0;
  unavailable = 0;

  /**
   * @param {import('../load/testbed.mjs').Testbed} testbed
   * @param {() => Server[]} servers those that should answer now.
   * @param {{ lossy?: boolean }} [options] `lossy`: servers die, so that answers and sessions may be lost.
   */
  static async open(testbed, servers, { lossy = false } = {}) {
    const server = inTurn(servers(), 0);
    const orgId = `soak-${randomBytes(4).toString('hex')}`;
    const { key } = await server.organization(orgId);
    const { siteProvisioningKey: limitedKey, siteProvisioningKeyId: limitedKeyId } = await server.api(
      'PUT',
      `/org/${orgId}/site-provisioning-key`,
      { name: 'limited', maxBatchSize: LIMIT },
    );
    const databaseUrl = server.databaseUrl;
    const callers = new Callers({ testbed, servers, lossy, databaseUrl, orgId, key, limitedKey, limitedKeyId });
    callers.sessions = await Promise.all(
      Array.from({ length: MIX.sessions }, async () => {
        const device = await callers.#claimOne(key, callers.claimed);
        if (!device) throw new Error('a claim on a key without a limit was refused');
        return { device, ws: await callers.#connect(device) };
      }),
    );
    return callers;
  }

  constructor({ testbed, servers, lossy, databaseUrl, orgId, key, limitedKey, limitedKeyId }) {
    this.testbed = testbed;
    this.servers = servers;
    this.lossy = lossy;
    this.databaseUrl = databaseUrl;
    this.orgId = orgId;
    this.key = key;
    this.limitedKey = limitedKey;
    this.limitedKeyId = limitedKeyId;
  }

  /** Sets all of them going. */
  start() {
    const loop = async (act) => {
      while (!this.#stopping) await act();
    };
    const many = (count, act) => Array.from({ length: count }, () => loop(act()));
    this.#running = [
      ...many(MIX.machines, () => () => this.#claimOne(this.key, this.claimed)),
      ...many(MIX.limited, () => () => this.#claimLimited()),
      ...many(MIX.tokens, () =>
        this.#asking('token', (n) => [
          'POST',
          '/api/v1/auth/device/get-token',
          { authorization: `Bearer ${inTurn(this.sessions, n).device.apiKey}` },
        ]),
      ),
      ...many(MIX.readers, () =>
        this.#asking('read', (n) => ['GET', this.#read(n), { authorization: `Bearer ${this.testbed.rootKey}` }]),
      ),
      ...this.sessions.map((session) => loop(() => this.#talk(session))),
    ];
  }

  /** Lets every claim that is under way come to its end, and sessions that lost their server come back. */
  async stop() {
    this.#stopping = true;
    await Promise.all(this.#running);
    await Promise.all(this.sessions.map((session) => this.#talk(session)));
  }

  /** Waits until this many more claims were answered. */
  async more(count) {
    const until = this.claimed.size + count;
    while (this.claimed.size < until) await sleep(20);
  }

  /** Holds the database and the sessions against what was answered. @returns figures. @throws when anything differs. */
  async check() {
    const faults = [...this.#faults].map(([text, count]) => `${count} × ${text}`);
    const expect = (what, found, wanted) => found === wanted || faults.push(`${what}: ${found}, not ${wanted}`);
    const sql = async (text, ...values) =>
      Number((await this.testbed.sql(this.databaseUrl, text, [this.orgId, ...values]))[0].n);
    const all = new Map([...this.claimed, ...this.limited]);
    const known = await this.testbed.sql(this.databaseUrl, 'SELECT hardware_id FROM site WHERE org_id = $1', [
      this.orgId,
    ]);
    expect('sites', known.length, all.size);
    expect('sites nobody was told of', known.filter(({ hardware_id }) => !all.has(hardware_id)).length, 0);
    expect(
      'uses of all keys',
      await sql('SELECT coalesce(sum(uses), 0) AS n FROM provisioning_key WHERE org_id = $1'),
      all.size,
    );
    expect(
      'uses of all generations',
      await sql(
        'SELECT coalesce(sum(g.uses), 0) AS n FROM provisioning_key_generation g JOIN provisioning_key USING (key_id) WHERE org_id = $1',
      ),
      all.size,
    );
    expect(
      'claims that made a site',
      await sql(`SELECT count(*) AS n FROM claim WHERE org_id = $1 AND outcome = 'created'`),
      all.size,
    );
    expect(
      'events of new devices',
      await sql(`SELECT count(*) AS n FROM event WHERE org_id = $1 AND type = 'device.provisioned'`),
      all.size,
    );
    expect(
      'addresses given twice',
      await sql('SELECT count(*) - count(DISTINCT address) AS n FROM site WHERE org_id = $1'),
      0,
    );
    const limited = await sql(
      'SELECT uses AS n FROM provisioning_key WHERE org_id = $1 AND key_id = $2',
      this.limitedKeyId,
    );
    expect('sites of the limited key', this.limited.size, limited);
    if (limited > LIMIT || (this.refused > 0 && limited < LIMIT))
      faults.push(`uses of the key for ${LIMIT} sites: ${limited}`);

    const keys = [...all.values()];
    const sample = keys.filter((_, i) => i % Math.ceil(keys.length / 200) === 0);
    const ask = this.#asking('token', (n) => [
      'POST',
      '/api/v1/auth/device/get-token',
      { authorization: `Bearer ${sample[n]}` },
    ]);
    for (let i = 0; i < sample.length; i++) expect('the token of a claimed device', (await ask()).status, 200);
    expect(
      'sessions that are open',
      this.sessions.filter((session) => session.ws.readyState === WebSocket.OPEN).length,
      MIX.sessions,
    );
    expect(
      'sessions in the database',
      await sql(
        'SELECT count(*) AS n FROM site_presence p JOIN site s USING (site_id) WHERE s.org_id = $1 AND session_id IS NOT NULL',
      ),
      MIX.sessions,
    );
    if (faults.length > 0) throw new Error(`what was answered and what is there differ:\n  ${faults.join('\n  ')}`);
    return { claims: all.size, answered: this.answered, unavailable: this.unavailable };
  }

  close() {
    for (const { ws } of this.sessions) ws.terminate();
  }

  #fault(text) {
    this.#faults.set(text, (this.#faults.get(text) ?? 0) + 1);
  }

  /**
   * One caller on connections of its own. @returns a function that asks once; status 0 when the connection broke.
   * @param {keyof typeof ANSWERS} what
   * @param {(n: number) => Request} request
   */
  #asking(what, request) {
    const connections = new Map();
    let n = 0;
    return async () => {
      const server = inTurn(this.servers(), n);
      const [method, path, headers, body] = request(n++);
      if (!connections.has(server.url)) connections.set(server.url, new HttpConnection(server.url));
      const answer = await connections
        .get(server.url)
        .request(method, path, headers, body)
        .catch((error) => ({ status: 0, body: error.message }));
      this.answered++;
      if (answer.status === 503) this.unavailable++;
      if (answer.status === 0 ? !this.lossy : !ANSWERS[what].includes(answer.status))
        this.#fault(`${what}: ${answer.status} ${answer.body.slice(0, 200)}`);
      // A caller that was put off waits, if only a moment.
      await sleep(answer.status === 0 || answer.status === 503 ? 50 : 2);
      return answer;
    };
  }

  /**
   * A new machine that repeats its claim until it is decided.
   * @param {string} key
   * @param {Map<string, string>} into
   * @param {'claim' | 'limited claim'} [what]
   * @returns {Promise<Device | undefined>} undefined when it was refused.
   */
  async #claimOne(key, into, what = 'claim') {
    const hardwareId = randomUUID();
    const body = JSON.stringify({
      provision_key: key,
      device_name: 'machine',
      hardware_id: hardwareId,
      claim_nonce: randomBytes(32).toString('base64url'),
    });
    const ask = this.#asking(what, () => ['POST', '/api/v1/provision', JSON_HEADERS, body]);
    for (;;) {
      const answer = await ask();
      if (answer.status === 403) return undefined;
      if (answer.status !== 201) continue;
      const { api_key: apiKey } = JSON.parse(answer.body);
      into.set(hardwareId, apiKey);
      return { hardwareId, apiKey };
    }
  }

  async #claimLimited() {
    if (await this.#claimOne(this.limitedKey, this.limited, 'limited claim')) return;
    this.refused++;
    await sleep(200);
  }

  #read(n) {
    const paths = ['/sites?pageSize=20', '', '/events?limit=10', '/site-provisioning-keys'];
    return `/v1/org/${this.orgId}${inTurn(paths, n)}`;
  }

  /** The connection of a session, once it is accepted. @param {Device} device */
  async #connect(device) {
    const ask = this.#asking('token', () => [
      'POST',
      '/api/v1/auth/device/get-token',
      { authorization: `Bearer ${device.apiKey}` },
    ]);
    for (;;) {
      const { url } = inTurn(this.servers(), Math.floor(Math.random() * this.servers().length));
      const answer = await ask();
      if (answer.status !== 200) continue;
      const ws = new WebSocket(`${url.replace('http', 'ws')}/api/v1/ws?clientType=newt`, {
        headers: { authorization: `Bearer ${JSON.parse(answer.body).data.token}` },
      });
      ws.on('error', () => undefined);
      const open = await new Promise((done) => ws.once('open', () => done(true)).once('close', () => done(false)));
      if (open) return ws;
    }
  }

  /** A ping of the session; one that was closed comes back, which is a fault unless servers die. */
  async #talk(session) {
    if (session.ws.readyState !== WebSocket.OPEN) {
      if (!this.lossy) this.#fault('a session was closed');
      session.ws = await this.#connect(session.device);
      return;
    }
    session.ws.send('{"type":"newt/ping","data":{}}');
    await sleep(200);
  }
}
