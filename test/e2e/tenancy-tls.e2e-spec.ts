import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newHardwareId } from '../support/api.js';
import { DOORS, DoorCredential, PROXY_SECRET } from '../support/credential-doors.js';
import { DeviceKey } from '../support/device-certificates.js';
import { startTlsServer, type TlsReply, type TlsServer } from '../support/device-tls.js';
import { basic } from '../support/est.js';
import type { FixtureOrg } from '../support/fixture-org.js';
import { type Documented, OPERATIONS, urlOf } from '../support/operations.js';
import { until } from '../support/server.js';
import { document, scopeOf, server, setUpTenancy, snapshot, stranger, tables, victim } from '../support/tenancy.js';

// What a connection proves is one device of one organization: every door of another one is shut to it, and so is every door of operators.

setUpTenancy();

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-tenancy-'));
/** The same installation, where machines prove themselves by their connections. */
let tls: TlsServer;
/** Devices of the stranger, and one of the victim, by the name of their door. */
let strangers: [string, DoorCredential][];
let own: DoorCredential;

const BY_CONNECTION = DOORS.filter(({ kind }) => kind === 'psk' || kind === 'certificate');
/** What the listener for machines serves (docs/credentials.md §4). */
const FOR_MACHINES = /^\/(api\/v1|v1)\/(device\/|auth\/(device|newt)\/|provision$|ca\/)|^\/\.well-known\/est\//;

beforeAll(async () => {
  const secretFile = join(folder, 'secret');
  writeFileSync(secretFile, PROXY_SECRET);
  tls = await startTlsServer({
    databaseUrl: server.databaseUrl,
    env: {
      REFUSALS_PER_MINUTE: '1000000',
      MTLS_ON_MAIN_PORT: 'true',
      CLIENT_CERT_FROM: '127.0.0.1',
      CLIENT_CERT_SECRET_FILE: secretFile,
    },
  });
  strangers = [];
  for (const door of BY_CONNECTION) strangers.push([door.name, await device(stranger, door)]);
  own = await device(victim, BY_CONNECTION[1]!);
  // When it was last used is written a little later, and is no change by anybody else.
  await until(async () => {
    const [row] = await victim.sql(
      'SELECT FROM site_credential JOIN site USING (site_id) WHERE device_id = $1 AND last_used_at IS NOT NULL',
      [own.deviceId],
    );
    return row;
  });
});
afterAll(async () => {
  await tls?.stop();
  rmSync(folder, { recursive: true });
});

async function keyOf(fixture: FixtureOrg, credentialType: string): Promise<string> {
  const { templateId } = await fixture.root.expect<{ templateId: number }>(
    'PUT',
    fixture.path('provisioning-template'),
    {
      name: fixture.name('template'),
      credentialType,
    },
  );
  const key = { name: fixture.name('key'), templateId, maxBatchSize: null };
  return (await fixture.root.expect<{ siteProvisioningKey: string }>('PUT', fixture.path('site-provisioning-key'), key))
    .siteProvisioningKey;
}

async function device(fixture: FixtureOrg, door: (typeof DOORS)[number]): Promise<DoorCredential> {
  const claimed = await DoorCredential.claim(door, tls, await keyOf(fixture, door.kind), async () => '');
  await until(async () => (await claimed.self(tls)) === 'in');
  return claimed;
}

async function authorityOf(fixture: FixtureOrg): Promise<string> {
  const { authorities } = await fixture.root.expect<{ authorities: { caId: string }[] }>(
    'GET',
    fixture.path('certificate-authorities'),
  );
  return authorities[0]!.caId;
}

/** What is the victim's own: what is of no organization the stranger's own doings may change, also a moment later. */
async function ofVictim(): Promise<Record<string, string>> {
  const hashes = await snapshot(victim);
  return Object.fromEntries(tables.filter(({ ofOrg }) => ofOrg).map(({ name }) => [name, hashes[name]!]));
}

/** Calls operations as devices whose connections prove them, and says in one line each what they got that they should not have. */
async function attack(
  of: (operation: Documented) => boolean,
  by: [string, DoorCredential][],
  problemOf: (operation: Documented, reply: TlsReply, credential: DoorCredential) => string | false,
): Promise<string[]> {
  const problems: string[] = [];
  for (const operation of document.operations.filter(of)) {
    const { body, text, ...call } = await OPERATIONS[operation.id]!.call(victim);
    const url = urlOf(operation, victim, call);
    const headers = { ...OPERATIONS[operation.id]!.headers, 'x-csrf-token': 'x-csrf-protection' };
    const asking = { method: operation.method, headers, ...(text || body ? { body: text ?? body! } : {}) };
    const look = async () => (operation.method === 'GET' ? {} : ofVictim());
    const before: Record<string, string> = await look();
    for (const [name, credential] of by) {
      const problem = problemOf(operation, await credential.ask(tls, url, asking), credential);
      if (problem) problems.push(`${operation.id}: ${name} ${problem}`);
    }
    const after: Record<string, string> = await look();
    for (const { name } of tables) if (before[name] !== after[name]) problems.push(`${operation.id}: changed ${name}`);
  }
  return problems;
}

describe('a device that its connection proves', () => {
  it('is nobody where operators are asked for: of another organization, and of the same one', async () => {
    const problems = await attack(
      (operation) => ['org', 'root', 'user'].includes(scopeOf(operation)),
      [...strangers, ['its own', own]],
      ({ path }, { status, text }, { door }) => {
        const isServed = door.port(tls) !== tls.devicePort || FOR_MACHINES.test(path);
        return status !== (isServed ? 401 : 404) && `got ${status}: ${text.slice(0, 200)}`;
      },
    );
    expect(problems).toEqual([]);
  });

  it('reaches itself alone where machines are asked for, whatever it says', async () => {
    const problems = await attack(
      (operation) => scopeOf(operation) === 'site',
      strangers,
      (_, { text }) => (text.includes(victim.orgId) || text.includes(own.deviceId)) && `was shown ${text}`,
    );
    expect(problems).toEqual([]);
    for (const [, by] of strangers) expect(await by.self(tls)).toBe('in');
  });

  it('does not renew at the authority of another organization, nor with a key of it enrol there', async () => {
    const [theirs, ours] = [await authorityOf(victim), await authorityOf(stranger)];
    const key = await keyOf(stranger, 'certificate');
    for (const [name, by] of strangers) {
      const request = await DeviceKey.make(`CN=${by.deviceId}`);
      const asking = {
        body: request.base64,
        headers: { 'content-type': 'application/pkcs10' },
      };
      const before = await ofVictim();
      const at = async (caId: string) => (await by.ask(tls, `/.well-known/est/${caId}/simplereenroll`, asking)).status;
      expect({ name, status: await at(theirs) }).toEqual({ name, status: 401 });
      const enrolled = await by.ask(tls, `/.well-known/est/${theirs}/simpleenroll`, {
        ...asking,
        headers: { ...asking.headers, authorization: basic(newHardwareId(), key) },
      });
      expect({ name, status: enrolled.status }).toEqual({ name, status: 401 });
      expect(await ofVictim()).toEqual(before);
      expect({ name, status: await at(ours) }).toEqual({ name, status: by.door.kind === 'certificate' ? 200 : 401 });
    }
  });

  it('is another device by a header, and then that one alone', async () => {
    const headers = { authorization: `Bearer ${victim.approved.deviceKey}` };
    for (const [name, by] of strangers) {
      const reply = await by.ask(tls, '/api/v1/device/self', { headers });
      expect({ name, shown: reply.text.includes(victim.approved.niceId) }).toEqual({ name, shown: true });
      expect(reply.text).not.toContain(by.deviceId);
      const wrong = { authorization: `Bearer ${victim.approved.deviceKey}x` };
      expect((await by.ask(tls, '/api/v1/device/self', { headers: wrong })).status).toBe(401);
    }
  });
});
