// 96 callers of everything that matters while something breaks: machines that claim, devices that fetch tokens, integrators that read,
// sessions that stay. Each says what it was answered; afterwards the database is held against what they were told.
import { randomBytes, randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { HttpConnection } from '../load/http-client.mjs';
import { sleep } from '../load/lib.mjs';

const MIX = { machines: 40, limited: 8, tokens: 16, readers: 16, sessions: 16 };
const LIMIT = 100;
const JSON_HEADERS = { 'content-type': 'application/json' };

/** What a caller may hear while the database is away; anything else is a fault. */
const ANSWERS = { claim: [200, 201, 503], 'limited claim': [200, 201, 403, 503], token: [200, 503], read: [200, 503] };

export class Callers {
  #stopping = false;
  #running = [];
  #faults = new Map();
  /** Hardware id → the device's API key. */
  claimed = new Map();
  limited = new Map();
  refused = 0;
  answered = 0;
  unavailable = 0;

  /** `servers()`: those that should answer now. `lossy`: servers die, so that answers and sessions may be lost. */
  static async open(testbed, servers, { lossy = false } = {}) {
    const callers = new Callers();
    Object.assign(callers, { testbed, servers, lossy });
    const [server] = servers();
    callers.databaseUrl = server.databaseUrl;
    callers.orgId = `soak-${randomBytes(4).toString('hex')}`;
    const { key } = await server.organization(callers.orgId);
    callers.key = key;
    const limited = await server.api('PUT', `/org/${callers.orgId}/site-provisioning-key`, {
      name: 'limited',
      maxBatchSize: LIMIT,
    });
    callers.limitedKey = limited.siteProvisioningKey;
    callers.keyId = limited.siteProvisioningKeyId;
    callers.devices = await Promise.all(
      Array.from({ length: MIX.sessions }, () => callers.#claimOne(key, callers.claimed)),
    );
    callers.sessions = await Promise.all(callers.devices.map((device) => callers.#session(device)));
    return callers;
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
          { authorization: `Bearer ${this.devices[n % this.devices.length].apiKey}` },
        ]),
      ),
      ...many(MIX.readers, () =>
        this.#asking('read', (n) => ['GET', this.#read(n), { authorization: `Bearer ${this.testbed.rootKey}` }]),
      ),
      ...this.sessions.map((_, i) => loop(() => this.#talk(i))),
    ];
  }

  /** Lets every claim that is under way come to its end, and sessions that lost their server come back. */
  async stop() {
    this.#stopping = true;
    await Promise.all(this.#running);
    await Promise.all(this.sessions.map((_, i) => this.#talk(i)));
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
    const limited = await sql('SELECT uses AS n FROM provisioning_key WHERE org_id = $1 AND key_id = $2', this.keyId);
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

  /** One caller on a connection of its own. @returns a function that asks once; status 0 when the connection broke. */
  #asking(what, request) {
    const connections = new Map();
    let n = 0;
    return async () => {
      const servers = this.servers();
      const server = servers[n % servers.length];
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

  /** A new machine that repeats its claim until it is decided. @returns the device. */
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
    return [
      `/v1/org/${this.orgId}/sites?pageSize=20`,
      `/v1/org/${this.orgId}`,
      `/v1/org/${this.orgId}/events?limit=10`,
      `/v1/org/${this.orgId}/site-provisioning-keys`,
    ][n % 4];
  }

  /** A session, once it is accepted. */
  async #session(device) {
    const ask = this.#asking('token', () => [
      'POST',
      '/api/v1/auth/device/get-token',
      { authorization: `Bearer ${device.apiKey}` },
    ]);
    for (;;) {
      const servers = this.servers();
      const { url } = servers[Math.floor(Math.random() * servers.length)];
      const answer = await ask();
      if (answer.status !== 200) continue;
      const ws = new WebSocket(`${url.replace('http', 'ws')}/api/v1/ws?clientType=newt`, {
        headers: { authorization: `Bearer ${JSON.parse(answer.body).data.token}` },
      });
      const session = { ws, pongs: 0 };
      ws.on('message', (frame) => JSON.parse(frame).type === 'pong' && session.pongs++);
      ws.on('error', () => undefined);
      const open = await new Promise((done) => ws.once('open', () => done(true)).once('close', () => done(false)));
      if (open) return session;
    }
  }

  /** A ping of the session; one that was closed comes back, which is a fault unless servers die. */
  async #talk(i) {
    const session = this.sessions[i];
    if (session.ws.readyState !== WebSocket.OPEN) {
      if (!this.lossy) this.#fault('a session was closed');
      this.sessions[i] = await this.#session(this.devices[i]);
      return;
    }
    session.ws.send('{"type":"newt/ping","data":{}}');
    await sleep(200);
  }
}
