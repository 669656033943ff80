// Agents, server and PostgreSQL are killed at random moments while the credentials of a fleet rotate: at every end agent and server share one that is good.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inTurn, sleep } from '../load/lib.mjs';
import { freePort } from '../load/testbed.mjs';
import { handshakeTimes } from './handshake-times.mjs';
import { anotherServer, ready } from './servers.mjs';

const AGENT = fileURLToPath(new URL('../../dist/agent/gatehouse-agent.mjs', import.meta.url));
const AGENTS = 3;
/** Kills, until it is looked whether everybody can still rotate. */
const LOOK_EVERY = 5;
/** Longer than a rotation of an agent takes. */
const ROTATION_MS = 800;
const LOOK_MS = 100;
/** Asked anew when an answer, or a hello, was lost with somebody. */
const ASK_AGAIN_MS = 20_000;

/** Failed handshakes of each kind, for each kill; and at least, since of few of them a clear difference could be chance. */
const [HANDSHAKES, FEWEST] = [50, 1_500];

export const credentials = {
  about:
    'kill -9 of agents, server and PostgreSQL while the credentials of a fleet rotate; handshakes that fail take the same time',
  times: 60,
  async run(testbed, times) {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-soak-'));
    const databaseUrl = await testbed.database();
    const port = await freePort();
    let server = await anotherServer(testbed, databaseUrl, { port });
    const orgId = `soak-${randomBytes(4).toString('hex')}`;
    const { key } = await server.organization(orgId);
    const start = (i) => startAgent(join(folder, `${i}.json`), server.url, key);
    const agents = Array.from({ length: AGENTS }, (_, i) => start(i));
    const rotations = `/org/${orgId}/credential-rotations`;
    // With no overlap: what is superseded is of no use any more.
    const rotate = () => server.api('POST', rotations, { filter: {}, perMinute: null, overlapSeconds: 0 });
    const killAgent = async (i) => {
      const { child, ended } = inTurn(agents, i);
      child.kill('SIGKILL');
      await ended;
      agents[i] = start(i);
    };
    let proved = 0;
    /** Until one rotation was taken by all of them. */
    const settle = async () => {
      for (;;) {
        const { jobId } = await rotate();
        for (const until = performance.now() + ASK_AGAIN_MS; performance.now() < until; await sleep(LOOK_MS)) {
          for (const { child, output } of agents)
            if (child.exitCode !== null) throw new Error(`an agent ended with ${child.exitCode}:\n${output()}`);
          const found = (await server.api('GET', rotations)).rotations.find((one) => one.jobId === jobId);
          if (found.rotated < AGENTS) continue;
          proved += AGENTS;
          return;
        }
      }
    };
    try {
      while ((await server.sql('SELECT FROM site_presence WHERE takes_credentials')).length < AGENTS)
        await sleep(LOOK_MS);
      await settle();
      for (let n = 1; n <= times; n++) {
        await rotate();
        await sleep(Math.random() * ROTATION_MS);
        const chance = Math.random();
        if (chance < 0.5) await killAgent(Math.floor(Math.random() * AGENTS));
        else if (chance < 0.7) await testbed.killPostgres();
        else {
          server.child.kill('SIGKILL');
          await server.child.ended;
          server = await anotherServer(testbed, databaseUrl, { port });
        }
        await ready([server]);
        if (n % LOOK_EVERY === 0 || n === times) await settle();
      }
      // What counts is what they have on disk.
      for (let i = 0; i < AGENTS; i++) await killAgent(i);
      await settle();
      const [found] = await server.sql(
        `SELECT (SELECT count(*)::int FROM site) AS sites, (SELECT count(*)::int FROM site_credential WHERE stage = 'current' AND revoked_at IS NULL) AS current,
           (SELECT count(*)::int FROM event WHERE type = 'site.credential_reuse') AS reuses`,
      );
      if (found.sites !== AGENTS || found.current !== AGENTS)
        throw new Error(`there are ${JSON.stringify(found)} of ${AGENTS} agents`);
      const { handshakes, widest } = await handshakeTimes(testbed, Math.max(times * HANDSHAKES, FEWEST));
      return {
        ...{ claims: found.sites, kills: times + AGENTS, rotations: proved, reuses: found.reuses },
        ...{ 'failed handshakes': handshakes, 'longer than others by at most (50 is even)': widest },
      };
    } catch (error) {
      throw new Error(`${error.message}\n${agents.map(({ output }) => output().slice(-2_000)).join('\n')}`);
    } finally {
      for (const { child } of agents) child.kill('SIGKILL');
      await Promise.all(agents.map(({ ended }) => ended));
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** An agent with a file for its state. */
function startAgent(file, url, key) {
  const flags = ['--config-file', file, '--endpoint', url, '--provisioning-key', key];
  const child = spawn(process.execPath, [AGENT, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (chunk) => (output += chunk));
  return { child, ended: once(child, 'exit'), output: () => output };
}
