import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentOptions } from '../../libs/agent/src/index.js';
import { TestAgent } from '../support/agent.js';
import {
  envelope,
  envelopeError,
  FakeServer,
  KEY,
  type Reply,
  refusedClaim,
  unusableCredential,
} from '../support/fake-server.js';
import { until } from '../support/server.js';

let server: FakeServer;
let agents: TestAgent[];
beforeEach(async () => {
  server = await FakeServer.start();
  agents = [];
});
afterEach(async () => {
  for (const agent of agents) await agent.remove();
  await server.stop();
});

function start(cli: object = {}, options: Partial<AgentOptions> & { file?: object; folder?: string } = {}): TestAgent {
  const agent = TestAgent.start({ endpoint: server.url, provisioningKey: KEY, ...cli }, options);
  agents.push(agent);
  return agent;
}

describe('a first start', () => {
  it('has hardware id and nonce on disk before the claim arrives', async () => {
    let onDisk: unknown;
    server.on.claim = (_request, granted) => {
      onDisk = agent.file()['claim'];
      return granted();
    };
    const agent = start();
    await server.session();
    const [request] = server.claims;
    expect(onDisk).toEqual({ hardwareId: request?.hardwareId, nonce: request?.claimNonce });
    expect(request?.hardwareId).toMatch(/^[0-9a-f]{8}-/);
  });

  it('exchanges the key for a credential, stores it 0600, and removes key and name from the file', async () => {
    const agent = start({ provisioningKey: undefined, endpoint: undefined } as object, {
      cli: {},
      file: { endpoint: server.url, provisioningKey: KEY, name: 'edge-{{env.SERIAL}}', other: { kept: true } },
      env: { SERIAL: '42' },
    });
    await server.session();
    const [site] = server.sites;
    expect(server.claims).toEqual([expect.objectContaining({ provisioningKey: KEY, name: 'edge-42' })]);
    expect(agent.file()).toEqual({
      endpoint: server.url,
      id: site?.newtId,
      secret: site?.secrets[0],
      other: { kept: true },
      claim: { hardwareId: site?.hardwareId, nonce: site?.nonce },
      bundleKey: expect.objectContaining({ kty: 'OKP', crv: 'X25519' }),
    });
    expect(statSync(agent.configFile).mode & 0o777).toBe(0o600);
    expect(server.tokenRequests).toEqual([{ newtId: site?.newtId, secret: site?.secrets[0] }]);
  });

  it('writes no key into a new file and neither key nor secret nor token into the log', async () => {
    const agent = start({ logLevel: 'DEBUG' });
    const session = await server.session();
    const token = String(session.request.headers.authorization).slice('Bearer '.length);
    expect(readFileSync(agent.configFile, 'utf8')).not.toContain(KEY);
    for (const secret of [KEY, KEY.split('.')[1] ?? '', server.sites[0]?.secrets[0] ?? '', token])
      expect(agent.output).not.toContain(secret);
  });

  it('does not claim when the state cannot be written', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-agent-'));
    writeFileSync(join(folder, 'not-a-folder'), '');
    const agent = start({}, { folder, configFile: join(folder, 'not-a-folder', 'config.json') });
    expect(await agent.agent.done).toMatchObject({ code: 73 });
    expect(server.claims).toEqual([]);
  });

  it('names a variable that the name needs', async () => {
    const agent = start({ name: '{{env.SERIAL}}' });
    expect(await agent.agent.done).toMatchObject({ code: 78, message: expect.stringContaining('SERIAL') });
    expect(server.claims).toEqual([]);
  });

  it.each([
    ['no endpoint', { endpoint: '' }, 78],
    ['no key', { provisioningKey: '' }, 78],
    ['key given twice', { provisioningKeyFile: '/dev/null' }, 64],
    ['empty key file', { provisioningKey: '', provisioningKeyFile: '/dev/null' }, 78],
    ['unreadable key file', { provisioningKey: '', provisioningKeyFile: '/nonexistent' }, 78],
    ['bad hardware id', { hardwareId: 'ö' }, 78],
    ['name too long', { name: 'x'.repeat(256) }, 78],
  ])('with %s ends at once', async (_what, cli, code) => {
    const agent = start(cli);
    expect(await agent.agent.done).toMatchObject({ code });
    expect(server.claims).toEqual([]);
  });

  it('reads the key from a file, which it leaves alone, and from standard input', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-key-'));
    writeFileSync(join(folder, 'key'), `${KEY}\n`);
    start({ provisioningKey: undefined, provisioningKeyFile: join(folder, 'key') });
    await server.session(1);
    expect(readFileSync(join(folder, 'key'), 'utf8')).toBe(`${KEY}\n`);
    start(
      { provisioningKey: undefined, provisioningKeyFile: '-' },
      { readStdin: () => Buffer.from(`\uFEFF${KEY}\r\n`, 'utf16le') },
    );
    await server.session(2);
    expect(server.claims.map((claim) => claim.provisioningKey)).toEqual([KEY, KEY]);
    rmSync(folder, { recursive: true });
  });
});

describe('a lost answer', () => {
  it('is asked for again as the same device, which ends with a working credential', async () => {
    server.on.claim = (_request, granted) => {
      granted();
      return server.claims.length === 1 ? { status: 0, cut: true } : granted();
    };
    const agent = start();
    (await agent.waitsFor('claim-retry')).wake();
    await server.session();
    expect(server.sites).toHaveLength(1);
    expect(server.claims[1]).toEqual(server.claims[0]);
  });

  it('after a restart too', async () => {
    server.on.claim = (_request, granted) => {
      granted();
      return { status: 0, cut: true };
    };
    const first = start();
    await first.waitsFor('claim-retry');
    await first.agent.stop();
    server.on = {};
    start({}, { folder: first.folder });
    await server.session();
    expect(server.sites).toHaveLength(1);
  });
});

describe('what is no refusal', () => {
  const elsewhere = (location: string): Reply => ({ status: 302, headers: { location } });
  it.each<[string, Reply]>([
    ["a captive portal's 403", { status: 403, body: '<html>log in</html>' }],
    ['a page with 200', { status: 200, body: '<html>welcome</html>' }],
    ['a redirect to another host', elsewhere('http://portal.example/login')],
    ["a proxy's 401", { status: 401, body: { message: 'Invalid provisioning key' } }],
    ['a bad gateway', { status: 502, body: 'bad gateway' }],
    ['a full address pool', { status: 503, body: envelopeError(503, 'capacity', 'No address is free') }],
    ['a rate limit', { status: 429, body: envelopeError(429, 'rate_limited', 'Too many') }],
  ])('%s is tried again within seconds', async (_what, reply) => {
    server.on.claim = (_request, granted) => (server.claims.length === 1 ? reply : granted());
    const agent = start();
    const wait = await agent.waitsFor('claim-retry');
    expect(wait.ms).toBeGreaterThanOrEqual(1000);
    expect(wait.ms).toBeLessThanOrEqual(2000);
    wait.wake();
    await server.session();
  });

  it('backs off, and ends with 69 with --no-wait', async () => {
    server.on.claim = () => ({ status: 502 });
    const agent = start();
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const wait = await agent.waitsFor('claim-retry');
      waits.push(wait.ms);
      wait.wake();
    }
    expect(waits).toEqual([1500, 2500, 4500, 8500, 16_500, 30_500, 30_500, 30_500]);
    expect(await start({ noWait: true }).agent.done).toMatchObject({ code: 69 });
  });

  it.each([429, 503])('honours Retry-After of a %i', async (status) => {
    server.on.claim = () => ({ status, headers: { 'retry-after': '120' } });
    const agent = start();
    expect((await agent.waitsFor('claim-retry')).ms).toBe(126_000);
  });

  it('an unreachable server is waited for', async () => {
    const gone = await FakeServer.start();
    const { url } = gone;
    await gone.stop();
    const agent = start({ endpoint: url });
    expect((await agent.waitsFor('claim-retry')).ms).toBe(1500);
    expect(agent.output).toContain('ECONNREFUSED');
  });

  it('a redirect on the same host is followed with the claim', async () => {
    server.on.claim = (_request, granted) =>
      server.claims.length === 1 ? { status: 301, headers: { location: '/api/v1/auth/newt/register' } } : granted();
    start();
    await server.session();
    expect(server.claims[1]).toEqual(server.claims[0]);
  });
});

describe('a refusal', () => {
  it('of the claim is tried again slowly: an operator may raise the limit', async () => {
    server.on.claim = refusedClaim;
    const agent = start();
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const wait = await agent.waitsFor('claim-refused');
      waits.push(wait.ms / 1000);
      if (i === 7) server.on = {};
      wait.wake();
    }
    expect(waits).toEqual([45, 75, 135, 255, 465, 465, 465, 465]);
    await server.session();
    expect(new Set(server.claims.map((claim) => claim.claimNonce)).size).toBe(1);
  });

  it('of the claim ends with 77 with --no-wait', async () => {
    server.on.claim = refusedClaim;
    expect(await start({ noWait: true }).agent.done).toMatchObject({ code: 77 });
  });

  it('of the body is a configuration mistake', async () => {
    server.on.claim = () => ({ status: 400, body: envelopeError(400, 'validation', 'name must be shorter') });
    expect(await start().agent.done).toMatchObject({
      code: 78,
      message: expect.stringContaining('name must be shorter'),
    });
  });

  it('of the credential ends with 77 and never falls back to the key', async () => {
    server.on.token = unusableCredential;
    const agent = start({}, { file: { id: 'site', secret: 'gone' } });
    expect(await agent.agent.done).toMatchObject({ code: 77 });
    expect(server.claims).toEqual([]);
    expect(agent.file()).toMatchObject({ id: 'site', secret: 'gone' });
  });

  it('of get-token by somebody else is waited out', async () => {
    server.on.token = (_request, granted) =>
      server.tokenRequests.length === 1 ? { status: 401, body: '<html>' } : granted();
    const agent = start();
    (await agent.waitsFor('get-token-retry')).wake();
    await server.session();
  });
});

describe('a recognised re-claim', () => {
  it('keeps the stored secret of that site', async () => {
    server.sites.push({ newtId: 'n1', secrets: ['kept-secret'], hardwareId: 'hw', nonce: 'other' });
    const agent = start({ id: '', hardwareId: 'hw' }, { file: { id: 'n1', secret: 'kept-secret' } });
    await server.session();
    expect(server.tokenRequests).toEqual([{ newtId: 'n1', secret: 'kept-secret' }]);
    expect(agent.file()).toMatchObject({ id: 'n1', secret: 'kept-secret' });
  });

  it.each([{}, { id: 'n2', secret: 'of-another-site' }])(
    'without its secret (%j) ends with 77 and names the way out',
    async (file) => {
      server.on.claim = () => envelope(200, { newtId: 'n1', secret: '' });
      const agent = start({ id: '' }, { file });
      expect(await agent.agent.done).toMatchObject({
        code: 77,
        message: expect.stringContaining('POST /site/{siteId}/allow-reclaim with {"expiresInSeconds": 3600}'),
      });
      expect(agent.file()['id']).toBe((file as { id?: string }).id);
    },
  );
});

describe('an enrolled machine', () => {
  it('uses its credential and ignores the key', async () => {
    server.sites.push({ newtId: 'n1', secrets: ['s1'] });
    const agent = start({}, { file: { id: 'n1', secret: 's1' } });
    await server.session();
    expect(server.claims).toEqual([]);
    expect(agent.file()).toEqual({ id: 'n1', secret: 's1', bundleKey: expect.anything() });
  });

  it('says which site it is, by name, and that the key was not used', async () => {
    server.sites.push({ newtId: 'n1', secrets: ['s1'] });
    server.on.session = (session) => session.socket.once('message', () => session.welcome({ name: 'press-14' }));
    const first = start({}, { file: { id: 'n1', secret: 's1' } });
    await server.session(1);
    expect(first.output).toContain('this machine is already site n1; the provisioning key was not used');
    await until(() => first.output.includes('connected as press-14 (calm-otter-x1y2z, site 7), approved'));
    await first.agent.stop();
    const second = start({}, { folder: first.folder });
    await server.session(2);
    expect(second.output).toContain(
      'this machine is already press-14 (calm-otter-x1y2z, site 7); the provisioning key was not used',
    );
    const third = start({ provisioningKey: '' }, { folder: start({}).folder, file: { id: 'n1', secret: 's1' } });
    await server.session(3);
    expect(third.output).not.toContain('already');
  });

  it('whose file was emptied says so before it claims anew, or that it cannot', async () => {
    server.on.session = (session) => session.socket.once('message', () => session.welcome({ name: 'press-14' }));
    const first = start();
    await until(() => first.output.includes('connected as press-14'));
    await first.agent.stop();
    const told = `the config file ${first.configFile} is empty, as a power cut leaves it: this machine was press-14 (calm-otter-x1y2z, site 7), and its credential is lost`;
    writeFileSync(first.configFile, '\0'.repeat(200));
    const without = start({ provisioningKey: '' }, { folder: first.folder });
    expect(await without.agent.done).toMatchObject({
      code: 78,
      message: expect.stringContaining(`this machine is not enrolled: ${told}`),
    });
    const withNothing = start({ endpoint: '', provisioningKey: '' }, { folder: first.folder }); // the endpoint was in the file
    expect(await withNothing.agent.done).toMatchObject({
      code: 78,
      message: expect.stringContaining(`${told}; no endpoint: give --endpoint`),
    });
    writeFileSync(first.configFile, '');
    const second = start({}, { folder: first.folder });
    await server.session(2);
    expect(second.output).toContain(`${told}; claiming anew`); // the ends before have not taken the site out of the status
    expect(server.sites).toHaveLength(2);
  });

  it('needs no writable state', async () => {
    server.sites.push({ newtId: 'n1', secrets: ['s1'] });
    start({ id: 'n1', secret: 's1' }, { configFile: '/dev/null/config.json' });
    await server.session();
    expect(existsSync('/dev/null/config.json')).toBe(false);
  });

  it('follows a new credential in the file on reload, and stays with what it has when the file is wrong', async () => {
    server.sites.push({ newtId: 'n1', secrets: ['s1'] }, { newtId: 'n2', secrets: ['s2'] });
    const agent = start({}, { file: { id: 'n1', secret: 's1' } });
    const first = await server.session();
    agent.agent.reload();
    writeFileSync(agent.configFile, '{');
    agent.agent.reload();
    expect(agent.output).toMatch(/nothing changed[\s\S]*not valid JSON/);
    expect(first.closed).toBeUndefined();
    writeFileSync(agent.configFile, JSON.stringify({ id: 'n2', secret: 's2' }));
    agent.agent.reload();
    await server.session(2);
    expect(first.closed).toEqual({ code: 1000 });
    expect(server.tokenRequests.at(-1)).toEqual({ newtId: 'n2', secret: 's2' });
  });
});

describe('an ephemeral site', () => {
  it('is replaced once, and not again before a session: a credential refused at once spends no further key', async () => {
    server.on.claim = (_request, granted) => {
      const { status, body } = granted();
      const { data, ...rest } = body as { data: object };
      return { status, body: { ...rest, data: { ...data, ephemeralSeconds: 60 } } };
    };
    server.on.token = unusableCredential;
    const agent = start({ ephemeral: true });
    expect(await agent.agent.done).toMatchObject({ code: 77 });
    expect(server.claims).toEqual([
      expect.objectContaining({ ephemeral: true }),
      expect.objectContaining({ ephemeral: true }),
    ]);
    expect(new Set(server.claims.map((claim) => claim.hardwareId)).size).toBe(1);
  });
});
