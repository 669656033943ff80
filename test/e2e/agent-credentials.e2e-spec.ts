import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../libs/agent/src/clock.js';
import type { AgentOptions } from '../../libs/agent/src/index.js';
import { TestAgent } from '../support/agent.js';
import { type Ended, startAgentProgram } from '../support/agent-process.js';
import { Api, newHardwareId, newtToken, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { startTlsServer, type TlsServer } from '../support/device-tls.js';
import { dying, failpoint } from '../support/dying-server.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { arm } from '../support/within-request.js';

let database: TestDatabase;
/** Where operators and agents with id and secret ask; certificates go to the other process. */
let plain: TestServer;
let tls: TlsServer;
let root: Api;
let org: TestOrg;
const agents: TestAgent[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  plain = await startServer({ databaseUrl: database.url });
  tls = await startTlsServer({ databaseUrl: database.url });
  root = Api.root(plain);
  org = await TestOrg.create(root);
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.agent.stop();
});
const folders: TestAgent[] = [];
afterAll(async () => {
  for (const agent of folders) rmSync(agent.folder, { recursive: true, force: true });
  await tls?.stop();
  await plain?.stop();
  await database?.drop();
});

const KINDS = ['newt', 'certificate'] as const;
type Kind = (typeof KINDS)[number];
type State = {
  id: string;
  secret: string;
  certificate?: string;
  issued?: { site: string; expiresAt?: string };
  next?: { secret: string };
};

/** A machine whose agent runs in this process. */
class Machine {
  private agent: TestAgent | undefined;
  siteId = 0;
  private isConnected = false;

  constructor(
    private readonly kind: Kind,
    readonly key: string,
    private readonly hardwareId = newHardwareId(),
  ) {}

  get state(): State {
    return this.agent?.file() as State;
  }

  get output(): string {
    return this.agent?.output ?? '';
  }

  get done() {
    return this.agent!.agent.done;
  }

  start(cli: AgentOptions['cli'] = {}): void {
    const certificate = this.kind === 'certificate';
    const settings = {
      endpoint: certificate ? `https://127.0.0.1:${tls.devicePort}` : plain.url,
      hardwareId: this.hardwareId,
      ...(certificate ? { tlsClientCa: [tls.certFile] } : {}),
      // Only the first time: it goes on with the kind that it has.
      ...(certificate && this.agent === undefined ? { credential: 'certificate' } : {}),
      ...cli,
    };
    const folder = this.agent === undefined ? {} : { folder: this.agent.folder };
    this.agent = TestAgent.start(settings, { ...folder, clock: systemClock, random: () => 0 });
    this.isConnected = false;
    const { events } = this.agent.agent;
    events.on('welcome', ({ siteId }) => {
      this.siteId = siteId;
      this.isConnected = true;
    });
    events.on('closed', () => (this.isConnected = false));
    agents.push(this.agent);
    folders.push(this.agent);
  }

  /** @returns the state file once it fits and the session is there */
  async connected(fits: (state: State) => boolean = () => true): Promise<State> {
    const ended = this.done.then((end) => {
      throw new Error(`the agent ended with ${end.code}: ${end.message}\n${this.output}`);
    });
    await Promise.race([ended, until(() => this.isConnected && fits(this.state))]);
    ended.catch(() => undefined);
    return this.state;
  }

  stop(): Promise<unknown> {
    return this.agent!.agent.stop();
  }

  /** `bundle pull`, as a program. */
  pull(...flags: string[]): Promise<Ended> {
    const { folder, configFile } = this.agent!;
    const certificate = ['--tls-client-ca', tls.certFile];
    return startAgentProgram([
      ...['--config-file', configFile, '--wait', '0', ...flags, ...(this.kind === 'certificate' ? certificate : [])],
      ...['bundle', 'pull', '--out', join(folder, 'out')],
    ]).ended;
  }

  change(changes: object): void {
    const path = this.agent!.configFile;
    writeFileSync(path, JSON.stringify({ ...this.state, ...changes }), { mode: 0o600 });
  }

  credentials = async () =>
    (
      await root.expect<{ credentials: { stage: string; status: string; kind: string }[] }>(
        'GET',
        `/site/${this.siteId}/credentials`,
      )
    ).credentials;

  /** Of the credential in force. */
  async expire(renewableFor: string): Promise<void> {
    await queryDatabase(
      database.url,
      `UPDATE site_credential SET expires_at = now() - interval '2 hours', renew_until = now() + interval '${renewableFor}'
       WHERE site_id = $1 AND stage = 'current' RETURNING pg_notify('site_changed', site_id::text)`,
      [this.siteId],
    );
  }
}

async function enrolled(kind: Kind, template: Record<string, unknown> = {}): Promise<Machine> {
  const type = kind === 'certificate' ? { credentialType: 'certificate' } : {};
  const key = await org.keyUnder({ ...type, ...template });
  const machine = new Machine(kind, key.siteProvisioningKey);
  machine.start({ provisioningKey: machine.key });
  await machine.connected();
  return machine;
}

/** A server dies at a step of a request. @param work is told how machines of this kind connect to it */
function killed(kind: Kind, work: (cli: AgentOptions['cli'], file: string) => Promise<unknown>): Promise<unknown> {
  // Tunnels ask for tokens too.
  const options = { databaseUrl: database.url, env: { TUNNELS_PER_AGENT: '0' } };
  const doomed = { options, failpoint: failpoint('within-request') };
  return kind === 'newt'
    ? dying({ ...doomed, start: startServer }, ({ url }, file) => work({ endpoint: url }, file))
    : dying({ ...doomed, start: startTlsServer }, ({ devicePort, certFile }, file) =>
        work({ endpoint: `https://127.0.0.1:${devicePort}`, tlsClientCa: [certFile] }, file),
      );
}

const HOUR = 3_600_000;
const another = (before: State) => (now: State) => now.secret !== before.secret;

describe.each(KINDS)('an agent with a credential of the kind %s', (kind) => {
  it('takes another one as soon as an operator asks, and the one before is over', async () => {
    const machine = await enrolled(kind);
    const before = machine.state;
    const isCertificate = kind === 'certificate';
    expect(before.certificate !== undefined).toBe(isCertificate);
    await root.expect('POST', `/site/${machine.siteId}/rotate-credential`, { overlapSeconds: 0 });
    const after = await machine.connected(another(before));
    expect(after.certificate === before.certificate).toBe(!isCertificate);
    expect(after.id === before.id).toBe(isCertificate);
    expect(isCertificate || after.issued?.site === before.id).toBe(true);
    const credentials = await machine.credentials();
    expect(credentials.map(({ stage }) => stage).sort()).toEqual(['current', 'previous']);
    expect(credentials.every((one) => one.kind === kind)).toBe(true);
    if (!isCertificate) expect((await newtToken(plain.url, before.id, before.secret)).status).toBe(401);
    expect(machine.output).not.toContain(after.secret);
  });

  it('renews it when it is due, also after a restart', async () => {
    const machine = await enrolled(kind, { credentialTtlSeconds: 3600 });
    const before = machine.state;
    const left = Date.parse(before.issued?.expiresAt ?? '') - Date.now();
    expect(left).toBeGreaterThan(0.9 * HOUR);
    expect(left).toBeLessThan(1.1 * HOUR);
    await machine.stop();
    machine.change({ issued: { ...before.issued, renewAt: new Date(Date.now() - 1000).toISOString() } });
    machine.start();
    const after = await machine.connected(another(before));
    // The server's clock is known to a second.
    const extended = Date.parse(after.issued?.expiresAt ?? '') - Date.parse(before.issued?.expiresAt ?? '');
    expect(extended).toBeGreaterThan(-1000);
    await machine.stop();
    machine.start();
    await machine.connected();
    expect(machine.state.secret).toBe(after.secret);
  });

  it('renews one that has expired while it was away', async () => {
    const machine = await enrolled(kind, { credentialTtlSeconds: 3600 });
    const before = machine.state;
    await machine.stop();
    await machine.expire('1 hour');
    machine.start();
    await machine.connected(another(before));
    expect(machine.output).toContain('has expired: renewing it');
  });

  it.each([
    ['answer', ['previous', 'current']],
    ['COMMIT', ['current', 'next']],
  ])(
    'renews the next one when the server died at the %s of its first use and both expired meanwhile',
    async (at, stages) => {
      const machine = await enrolled(kind, { credentialTtlSeconds: 3600 });
      const before = machine.state;
      await machine.stop();
      await killed(kind, async (cli, file) => {
        machine.start(cli);
        await machine.connected();
        arm(file, { request: kind === 'newt' ? 'POST /auth/newt/get-token' : 'POST /auth/device/get-token', at });
        await root.expect('POST', `/site/${machine.siteId}/rotate-credential`, { overlapSeconds: 0 });
      });
      await machine.stop();
      const { next, ...current } = machine.state;
      expect(current.secret).toBe(before.secret);
      await queryDatabase(
        database.url,
        `UPDATE site_credential SET created_at = created_at - interval '7 days', ends_at = ends_at - interval '2 days', expires_at = now() - interval '2 days',
           renew_until = now() + CASE WHEN stage = 'current' AND $2 OR stage = 'next' THEN interval '1 day' ELSE interval '-1 day' END
         WHERE site_id = $1 RETURNING pg_notify('site_changed', site_id::text)`,
        [machine.siteId, at === 'answer'],
      );
      expect((await machine.credentials()).map(({ stage }) => stage).sort()).toEqual([...stages].sort());
      machine.start();
      const after = await machine.connected();
      expect(machine.output).toContain('the next credential of site');
      expect([before.secret, next!.secret]).not.toContain(after.secret);
      expect(after.issued?.site).toBe(before.id);
      expect(
        await queryDatabase(database.url, `SELECT 1 FROM event WHERE type = 'site.credential_reuse' AND site_id = $1`, [
          machine.siteId,
        ]),
      ).toEqual([]);
      expect((await machine.credentials()).filter(({ status }) => status === 'usable')).toHaveLength(1);
    },
  );

  it('ends with 77 after the grace, and claims once more where an operator allows it', async () => {
    const machine = await enrolled(kind, { credentialTtlSeconds: 3600 });
    const before = machine.state;
    await machine.stop();
    await machine.expire('-1 hour');
    machine.change({ issued: { ...before.issued, expiresAt: new Date(Date.now() - 2 * HOUR).toISOString() } });
    machine.start();
    expect(await machine.done).toMatchObject({ code: 77, message: expect.stringContaining('expired for longer') });
    await root.expect('POST', `/site/${machine.siteId}/allow-reclaim`, {});
    machine.start({ provisioningKey: machine.key });
    const { certificate } = await machine.connected(another(before));
    expect(certificate !== undefined).toBe(kind === 'certificate');
  });

  it('claims once more as `bundle pull`, too, which then has its bundle', async () => {
    const machine = await enrolled(kind, { credentialTtlSeconds: 3600 });
    const before = machine.state;
    await machine.stop();
    await machine.expire('-1 hour');
    machine.change({ issued: { ...before.issued, expiresAt: new Date(Date.now() - 2 * HOUR).toISOString() } });
    const refused = await machine.pull();
    expect(refused.code, refused.stderr).toBe(77);
    expect(refused.stderr).toContain('expired for longer than it can be renewed: give a provisioning key');
    await root.expect('POST', `/site/${machine.siteId}/allow-reclaim`, {});
    const pulled = await machine.pull('--provisioning-key', machine.key);
    expect(pulled.code, pulled.stderr).toBe(0);
    expect(machine.state.secret).not.toBe(before.secret);
    expect(machine.state.certificate !== undefined).toBe(kind === 'certificate');
    expect((await machine.credentials()).filter(({ status }) => status === 'usable')).toHaveLength(1);
  });

  it('ends with 77 when its site is deleted', async () => {
    const machine = await enrolled(kind);
    await root.expect('DELETE', `/site/${machine.siteId}`);
    expect(await machine.done).toMatchObject({ code: 77 });
    machine.start();
    expect(await machine.done).toMatchObject({ code: 77 });
  });
});

describe('an agent that is to have a certificate', () => {
  it('says what to do where the template issues another kind', async () => {
    const machine = new Machine('certificate', (await org.key()).siteProvisioningKey);
    machine.start({ provisioningKey: machine.key });
    expect(await machine.done).toMatchObject({
      code: 78,
      message: expect.stringContaining('credentialType certificate, or leave out --credential certificate'),
    });
  });

  it('says so where the endpoint asks for no certificate', async () => {
    const machine = new Machine(
      'certificate',
      (await org.keyUnder({ credentialType: 'certificate' })).siteProvisioningKey,
    );
    machine.start({ provisioningKey: machine.key, endpoint: tls.server.url });
    expect(await machine.done).toMatchObject({ code: 77, message: expect.stringContaining('DEVICE_TLS_PORT') });
  });

  it('keeps its key sealed, and runs as a program', async () => {
    const machine = await enrolled('certificate');
    await machine.stop();
    const folder = folders.at(-1)!.folder;
    const stateKey = join(folder, 'state.key');
    writeFileSync(stateKey, 'k'.repeat(44));
    const program = startAgentProgram([
      '--config-file',
      join(folder, 'config.json'),
      '--state-key-file',
      stateKey,
      '--tls-client-ca',
      tls.certFile,
    ]);
    await until(() => program.stderr.includes('connected as') || program.child.exitCode !== null);
    expect(program.child.exitCode, program.stderr).toBeNull();
    expect(readFileSync(join(folder, 'config.json'), 'utf8')).not.toContain('PRIVATE KEY');
    const status = startAgentProgram(['--config-file', join(folder, 'config.json'), 'status', '--json']);
    const { stdout } = await status.ended;
    expect(JSON.parse(stdout)).toMatchObject({
      connected: true,
      credential: { kind: 'certificate', expiresAt: expect.any(String), next: false },
    });
    program.child.kill('SIGTERM');
    await program.ended;
  });
});
