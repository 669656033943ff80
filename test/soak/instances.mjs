// The agent of an instance is killed at random moments: it stays one site with one program, and its state is never half of anything.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '../load/lib.mjs';
import { isRunning } from '../support/is-running.mjs';

const AGENT = fileURLToPath(new URL('../../dist/agent/gatehouse-agent.mjs', import.meta.url));
/** Longer than a start takes. */
const LIFE_MS = 2_000;
const PROGRAM = `require('node:fs').appendFileSync(process.argv[1], process.pid + '\\n'); setInterval(() => {}, 1e6)`;

export const instances = {
  about: 'kill -9 of an agent that starts a program by key, at random moments',
  times: 100,
  async run(testbed, times) {
    const server = await testbed.server(await testbed.database());
    const { key } = await server.organization(`soak-${randomBytes(4).toString('hex')}`);
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-soak-'));
    const marker = join(folder, 'ran');
    const pids = () => (existsSync(marker) ? readFileSync(marker, 'utf8').trim().split('\n').map(Number) : []);
    const start = () => {
      const flags = ['--config-file', join(folder, 'config.json'), '--endpoint', server.url, '--provisioning-key', key];
      const words = ['run', '--bundle-dir', join(folder, 'bundle'), '--', process.execPath, '-e', PROGRAM, marker];
      const child = spawn(process.execPath, [AGENT, ...flags, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
      let output = '';
      child.stderr.on('data', (chunk) => (output += chunk));
      return { child, ended: once(child, 'exit'), output: () => output };
    };
    try {
      for (let i = 0; i < times; i++) {
        const { child, ended, output } = start();
        await Promise.race([ended, sleep(Math.random() * LIFE_MS)]);
        if (child.exitCode !== null) throw new Error(`the agent ended with ${child.exitCode}:\n${output()}`);
        child.kill('SIGKILL');
        await ended;
      }
      const before = pids().length;
      const last = start();
      while (pids().length === before) {
        if (last.child.exitCode !== null) throw new Error(`the last agent ended:\n${last.output()}`);
        await sleep(50);
      }
      const alive = pids().filter(isRunning);
      last.child.kill('SIGTERM');
      await last.ended;
      const [{ sites }] = await server.sql('SELECT count(*)::int AS sites FROM site');
      const [{ clones }] = await server.sql(`SELECT count(*)::int AS clones FROM event WHERE type = 'site.cloned'`);
      if (sites !== 1 || clones !== 0 || alive.length !== 1 || pids().some(isRunning))
        throw new Error(`${sites} sites, ${clones} clones, ${alive.length} programs at once`);
      return { claims: sites, programs: pids().length, kills: times };
    } finally {
      for (const pid of pids().filter(isRunning)) process.kill(pid, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      await server.stop();
    }
  },
};
