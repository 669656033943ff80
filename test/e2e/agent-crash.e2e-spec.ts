import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAgentProgram } from '../support/agent-process.js';
import { FakeServer, KEY } from '../support/fake-server.js';

const preload = new URL('../support/kill-at-write.mjs', import.meta.url).href;
let server: FakeServer;
let folder: string;
/** What the last agent that lived on did to the disk. */
let trace = '';
beforeEach(async () => {
  server = await FakeServer.start();
  server.on.session = (session) => session.socket.once('message', () => session.welcome());
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-crash-'));
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const args = () => [
  '--config-file',
  join(folder, 'state', 'config.json'),
  '--endpoint',
  server.url,
  '--provisioning-key',
  KEY,
];

/** Runs the agent until it has been welcomed; true when it was killed before. */
async function run(killAt: number): Promise<boolean> {
  const before = server.sessions.length;
  const program = startAgentProgram(args(), { preload, env: { KILL_AT_WRITE: String(killAt), KILL_BELOW: folder } });
  const connected = server.session(before + 1).then(() => 'connected' as const);
  const first = await Promise.race([connected, program.ended]);
  if (first !== 'connected') {
    expect(first.signal, first.stderr).toBe('SIGKILL');
    return true;
  }
  program.child.kill('SIGTERM');
  const ended = await program.ended;
  if (ended.signal === 'SIGKILL') return true; // when it left the lock
  expect(ended.code).toBe(0);
  trace = /^disk: (.*)$/m.exec(ended.stderr)?.[1] ?? '';
  return false;
}

function expectOneSite(): void {
  expect(server.sites).toHaveLength(1);
  expect(new Set(server.claims.map((claim) => `${claim.hardwareId} ${claim.claimNonce}`)).size).toBe(1);
  const state = JSON.parse(readFileSync(join(folder, 'state', 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(state).toMatchObject({
    id: server.sites[0]?.newtId,
    secret: server.sites[0]?.secrets[0],
    claim: { hardwareId: server.sites[0]?.hardwareId },
  });
  expect(readdirSync(join(folder, 'state')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
}

describe('an agent killed while it writes its state', () => {
  it('at any step, once or again at the same step, ends as one site with a working credential', async () => {
    let steps = 0;
    for (let at = 1; ; at++) {
      const killed = await run(at);
      if (killed) {
        steps++;
        await run(at);
        expect(await run(0)).toBe(false);
      }
      expectOneSite();
      if (!killed) break; // this one ran through: its trace is a whole first start
      server.sites.length = server.claims.length = server.sessions.length = server.tokenRequests.length = 0;
      rmSync(join(folder, 'state'), { recursive: true });
    }
    const save = 'openSync writeSync fsyncSync renameSync fsyncSync';
    // Lock; identity and credential, each file, then its directory; the lock is left.
    expect(trace).toBe(`mkdirSync linkSync ${save} ${save} openSync renameSync`);
    expect(steps).toBe(14);
  });
});
