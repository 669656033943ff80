import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fits } from '../../libs/agent/src/credential/certificate.js';
import type { Credential } from '../../libs/agent/src/credential/credential.js';
import { startAgentProgram } from '../support/agent-process.js';
import { CertifyingServer } from '../support/certifying-server.js';
import type { FakeServer } from '../support/fake-server.js';
import { RenewingServer } from '../support/renewing-server.js';

const preload = new URL('../support/kill-at-write.mjs', import.meta.url).href;

/** A server that gives a site one credential after the other. */
type Issuer = {
  fake: FakeServer;
  /** PEM, where it is to be trusted. */
  ca?: string;
  first(): Promise<Credential>;
  /** One that follows it. */
  second(): Promise<Credential>;
  /** It may be renewed. */
  expire(credential: Credential): void;
  /** Names of credentials, as they are good: the current one, then those that were not used yet. */
  issued(): string[];
  nameOf(credential: Credential): string;
  /** What a session brings, where the agent is to take another one by that. */
  offer?: () => unknown;
};

async function newts(offers: boolean): Promise<Issuer> {
  const server = await RenewingServer.start();
  server.expiresAt = new Date(Date.now() + 3 * 3_600_000).toISOString();
  return {
    fake: server.fake,
    first: () => server.first(),
    second: async () => {
      const { newt_id, secret } = server.next();
      return { id: newt_id!, secret: secret! };
    },
    expire: ({ id }) => (server.expired = id),
    issued: () => server.issued.map(({ newtId, secret }) => `${newtId} ${secret}`),
    nameOf: ({ id, secret }) => `${id} ${secret}`,
    ...(offers ? { offer: () => ({ credential: server.next() }) } : {}),
  };
}

async function certificates(offers: boolean): Promise<Issuer> {
  const server = await CertifyingServer.start();
  return {
    fake: server.fake,
    ca: server.ca,
    first: () => server.first(),
    second: () => server.first(),
    expire: (credential) => (server.expired = server.nameOf(credential)),
    issued: () => server.issued,
    nameOf: (credential) => server.nameOf(credential),
    ...(offers ? { offer: () => ({}) } : {}),
  };
}

type State = Credential & { next?: Credential };
let folder: string;
let config: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-rotation-'));
  config = join(folder, 'config.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const stored = () => JSON.parse(readFileSync(config, 'utf8')) as State;

/** A key and the certificate for it are two things: neither is ever there with another one's. */
function expectWhole({ next, ...current }: State): void {
  for (const { certificate, secret } of next ? [current, next] : [current])
    if (certificate !== undefined) expect(fits(certificate, secret)).toBe(true);
}

describe.each([
  { kind: 'newt', issuer: newts },
  { kind: 'certificate', issuer: certificates },
])('an agent killed while it replaces its credential, $kind', ({ issuer }) => {
  it.each([
    ['by one that it renews', 'renewal'],
    ['by one that a session brings', 'offer'],
    ['of which the next one has expired', 'expired'],
  ])('%s, at any step of writing, goes on with one that works', async (_, how) => {
    const server = await issuer(how === 'offer');
    const { fake } = server;
    const ca = join(folder, 'ca.pem');
    const unused = await server.first();
    let first: Credential = how === 'expired' ? await server.second() : unused;
    const isRotated = () => server.issued().length === 1 && server.issued()[0] !== server.nameOf(first);
    fake.on.session = (session) =>
      session.socket.once('message', () => {
        session.welcome();
        if (server.offer && server.issued().at(-1) === server.nameOf(first))
          session.send('agent/credential', server.offer());
      });

    /** Resolves, once there is a session with another credential, with whether the agent was killed before. */
    async function run(killAt: number): Promise<boolean> {
      const before = fake.sessions.length;
      const args = ['--config-file', config, ...(server.ca === undefined ? [] : ['--tls-client-ca', ca])];
      const program = startAgentProgram(args, {
        preload,
        env: { KILL_AT_WRITE: String(killAt), KILL_BELOW: folder },
      });
      const rotated = fake
        .until(() => fake.sessions.length > before && isRotated())
        .then(() => fake.until(() => (fake.sessions.at(-1)?.of('agent/hello').length ?? 0) > 0))
        .then(() => 'rotated' as const);
      const outcome = await Promise.race([rotated, program.ended]);
      if (outcome === 'rotated') program.child.kill('SIGTERM');
      const ended = await program.ended;
      if (ended.signal !== 'SIGKILL') expect(ended.code, ended.stderr).toBe(0);
      return ended.signal === 'SIGKILL';
    }

    let steps = 0;
    try {
      for (let at = 1; ; at++) {
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder);
        if (server.ca !== undefined) writeFileSync(ca, server.ca);
        if (how === 'expired') server.expire(first);
        const held: State = how === 'expired' ? { ...unused, next: first } : first;
        const issued = {
          id: held.id,
          site: held.id,
          ...(how === 'renewal' ? { renewAt: new Date(0).toISOString() } : {}),
        };
        writeFileSync(config, JSON.stringify({ endpoint: fake.url, ...held, issued }), { mode: 0o600 });
        const killed = await run(at);
        expectWhole(stored());
        if (killed) {
          steps++;
          expect(await run(0)).toBe(false);
          expectWhole(stored());
        }
        const { next, ...now } = stored();
        expect(server.issued()).toEqual([server.nameOf(now)]);
        expect(next).toBeUndefined();
        expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
        if (!killed) break;
        first = { id: now.id, secret: now.secret, ...(now.certificate ? { certificate: now.certificate } : {}) };
      }
    } finally {
      await fake.stop();
    }
    expect(steps).toBeGreaterThan(10);
  });
});
