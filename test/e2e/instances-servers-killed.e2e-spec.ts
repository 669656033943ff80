import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimDataDir, type EmbeddedPostgres, startEmbeddedPostgres } from '#platform';
import { checkRows } from '../../src/first-run/rows-check.js';
import { type Program, repository } from '../support/agent-process.js';
import { Api, TestOrg } from '../support/api.js';
import { queryDatabase } from '../support/database.js';
import { InstanceMachine } from '../support/instance-machine.js';
import { secretValue } from '../support/secret-values.js';
import { freePort, startServer, TEST_MASTER_KEY, type TestServer, until } from '../support/server.js';
import { type Armed, arm, withinRequest } from '../support/within-request.js';

/** EVERY_STEP=true kills before each statement of each request, and PostgreSQL within each; otherwise where `points` says. */
const EVERY_STEP = process.env['EVERY_STEP'] === 'true';

let folder: string;
let file: string;
let port: number;
let postgres: EmbeddedPostgres;
let server: TestServer;
let root: Api;
let org: TestOrg;
let profileId: number;
let machine: InstanceMachine;
let agent: Program;
let siteId: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-killed-'));
  // PostgreSQL under root runs as another account, which must get through.
  chmodSync(folder, 0o711);
  file = join(folder, 'armed');
  const dataDir = join(folder, 'postgres');
  mkdirSync(dataDir);
  claimDataDir(dataDir);
  const log = { info: () => undefined, warn: () => undefined };
  postgres = await startEmbeddedPostgres({ dataDir, log });
  port = await freePort();
  await start();
  root = Api.root(server);
  org = await TestOrg.create(root);
  await root.expect('PUT', org.path('secret'), { name: 'TOKEN', value: secretValue('one') });
  ({ profileId } = await root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
    name: 'killed',
  }));
  await save();
  const key = await org.keyUnder(
    { profileId, approveNewSites: true, hardwareIdPattern: '[0-9a-f-]{36}' },
    { maxBatchSize: 10, validUntil: new Date(Date.now() + 86_400_000).toISOString() },
  );
  machine = new InstanceMachine(org, 'steady');
  agent = machine.run(['--provisioning-key', key.siteProvisioningKey]);
  await machine.hasRun(agent);
  ({ siteId } = (await machine.site())!);
  await goesOn();
});
afterAll(async () => {
  await machine?.remove();
  await server?.stop();
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  const dataDir = join(folder, 'server');
  const options = { databaseUrl: postgres.url, port, dataDir, preload: [withinRequest], env: { FAILPOINT_FILE: file } };
  server = await startServer(options);
}

let saves = 0;
/** A document that is another one each time, and restarts the program. */
const save = () =>
  root.send('PUT', org.path(`provisioning-profile/${profileId}/bootstrap`), {
    document: `env: { TOKEN: "{{secret.TOKEN}}", N: "${saves++}" }\nrun: { ready: { afterSeconds: 0 } }\n`,
    rollout: { canary: 0, perMinute: null },
  });
const resend = () => root.send('POST', `/site/${siteId}/bundle/resend`);

/** The admin command, within which the failpoint may be. */
async function admin(...args: string[]): Promise<{ status: number }> {
  const env = {
    PATH: process.env['PATH'],
    MASTER_KEY: TEST_MASTER_KEY,
    DATABASE_URL: postgres.url,
    FAILPOINT_FILE: file,
  };
  const words = ['--import', withinRequest, join(repository, 'dist/src/admin.js'), ...args];
  const failure = await promisify(execFile)(process.execPath, words, { cwd: folder, env }).then(
    () => undefined,
    (error: Error) => error,
  );
  return { status: failure ? 500 : 200 };
}

interface SigningKeys {
  current: string;
  keys: { state: string; keptApart: boolean }[];
}
const signingKeys = () => root.expect<SigningKeys>('GET', org.path('signing-keys'));
const keptApart = async () => (await signingKeys()).keys.some((key) => key.keptApart);
let exports = 0;
const keyFile = () => join(folder, `next-${exports}.pem`);

const bundle = () =>
  root.expect<{ version: number; appliedVersion: number; revision: number; state: string }>(
    'GET',
    `/site/${siteId}/bundle`,
  );
const currentRevision = async () =>
  (await root.expect<{ bootstrapRevision: number }>('GET', org.path(`provisioning-profile/${profileId}`)))
    .bootstrapRevision;

interface Operation {
  /** Whose request it is to die in. */
  request: () => string;
  /** What a person does; or what makes the machine send that request. */
  act: () => Promise<{ status: number }>;
  /** Of what a person does: another one once it has happened. */
  state?: () => Promise<unknown>;
  /** Where the server dies: nothing has happened before COMMIT, and all of it before the answer. */
  points: string[];
  /** Whether PostgreSQL dies at the first of them, too. */
  postgres?: boolean;
  /** Makes it possible once more. */
  after?: () => Promise<unknown>;
}

const OPERATIONS: Record<string, Operation> = {
  'the fetch of a bundle': { request: () => 'GET /device/bundle', act: save, points: ['answer'] },
  'a lease': { request: () => 'POST /device/lease', act: save, points: ['answer'] },
  'an acknowledgement': {
    request: () => 'POST /device/bundle/ack',
    act: save,
    points: ['COMMIT'],
    postgres: true,
  },
  'the rotation of the signing key': {
    request: () => `POST ${org.path('signing-key/rotate')}`,
    act: () => root.send('POST', org.path('signing-key/rotate'), {}),
    state: async () => (await signingKeys()).current,
    points: ['COMMIT', 'answer'],
  },
  'the export of the next signing key': {
    request: () => 'admin',
    act: () => {
      exports++;
      return admin('export-next-key', org.orgId, '--key-file', keyFile());
    },
    state: keptApart,
    points: ['COMMIT', 'answer'],
    // The file that was written is the only copy.
    after: async () =>
      expect(await admin('rotate-signing-key', org.orgId, '--key-file', keyFile())).toEqual({ status: 200 }),
  },
  'a secret in use that is deleted by force': {
    request: () => `DELETE ${org.path('secret/TOKEN')}`,
    act: () => root.send('DELETE', org.path('secret/TOKEN?force=true')),
    state: async () => (await root.get(org.path('secret/TOKEN'))).status,
    points: ['COMMIT', 'answer'],
    postgres: true,
    after: async () => {
      await root.expect('PUT', org.path('secret'), { name: 'TOKEN', value: secretValue('again') });
      // Connections of before may still cost a request.
      await until(async () => (await resend()).status === 200);
    },
  },
  'a bundle that is sent again': {
    request: () => `POST /site/${siteId}/bundle/resend`,
    act: resend,
    state: async () => (await bundle()).version,
    points: ['COMMIT', 'answer'],
  },
  'the save of a bootstrap': {
    request: () => `PUT ${org.path(`provisioning-profile/${profileId}/bootstrap`)}`,
    act: save,
    state: currentRevision,
    points: ['COMMIT', 'answer'],
  },
};

/** @returns whether the request came as far as that; something was killed then, and all is up again */
async function killed(operation: Operation, armed: Omit<Armed, 'request'>): Promise<boolean> {
  arm(file, { request: operation.request(), ...armed });
  const reply = await operation.act().catch(() => undefined);
  if (!operation.state) await until(async () => !existsSync(file) || (await isApplied()));
  if (existsSync(file)) {
    rmSync(file);
    expect(reply?.status).toBeLessThan(300);
    return false;
  }
  if (armed.pid !== undefined) await until(() => postgres.postmasterPid !== armed.pid);
  else if (operation.request() !== 'admin') {
    await server.stop();
    await start();
  }
  await until(async () => (await root.get('/orgs')).status === 200);
  return true;
}

/** False, too, while nobody answers. */
async function isApplied(): Promise<boolean> {
  try {
    const { version, appliedVersion, revision, state } = await bundle();
    return state === 'applied' && appliedVersion === version && revision === (await currentRevision());
  } catch {
    return false;
  }
}

/** The machine runs with what it is to have, and nothing is half. */
async function goesOn(): Promise<void> {
  const ended = agent.ended.then(({ code, stderr }) => {
    throw new Error(`the agent ended with ${code}: ${stderr}`);
  });
  ended.catch(() => undefined);
  await Promise.race([ended, until(isApplied)]);
  const client = new pg.Client(postgres.url);
  await client.connect();
  try {
    expect(await checkRows(client as never, [Buffer.from(TEST_MASTER_KEY, 'base64')])).toEqual([]);
  } finally {
    await client.end();
  }
}

/** A person does what has not happened, and the machine has what it is to have. */
async function ends({ state, act, after }: Operation, before: unknown): Promise<void> {
  if (state && (await state()) === before) expect((await act()).status).toBeLessThan(300);
  await after?.();
  await goesOn();
}

describe.each(Object.entries(OPERATIONS))('killed in the middle of %s', (_name, operation) => {
  it('the server: what was not committed has not happened, what was has', async () => {
    const before = await operation.state?.();
    for (const at of operation.points) {
      expect(await killed(operation, { at }), at).toBe(true);
      if (operation.state) expect((await operation.state()) === before, at).toBe(at !== 'answer');
    }
    await ends(operation, before);
  });

  it.runIf(operation.postgres ?? EVERY_STEP)('PostgreSQL: nothing is half, and the server goes on', async () => {
    const before = await operation.state?.();
    expect(await killed(operation, { at: operation.points[0]!, pid: postgres.postmasterPid })).toBe(true);
    await ends(operation, before);
  });

  it.runIf(EVERY_STEP)('the server, before each statement', async () => {
    for (let at = 1, isHit = true; isHit; at++) {
      const before = await operation.state?.();
      isHit = await killed(operation, { at });
      await ends(operation, before);
    }
  });
});

it('after all that one agent ran all the time, was nobody twice, and starts again', async () => {
  expect(agent.child.exitCode).toBeNull();
  // A start would have ended with 65 for any other reason.
  const reasons = [...agent.stderr.matchAll(/could not be had: (.*)/g)].map(([, reason]) => reason);
  expect(reasons.filter((reason) => !/hang up|ECONNREFUSED|ECONNRESET|answer 503/.test(reason!))).toEqual([]);
  expect(reasons.length).toBeGreaterThan(0);
  expect(
    await queryDatabase(postgres.url, `SELECT type FROM event WHERE type IN ('site.cloned', 'bundle.failed')`),
  ).toEqual([]);
  expect((await org.sites()).sites).toHaveLength(1);
  agent.child.kill('SIGTERM');
  expect((await agent.ended).code).toBe(0);
  await machine.once([]);
  expect(await admin('check')).toEqual({ status: 200 });
});
