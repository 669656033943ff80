// What `gatehouse-agent run` does with a program, in a process of its own that a test may kill: SUPERVISED is a `Supervised`.
import { join } from 'node:path';
import type { BundleRun } from '#contracts';
import { BundleFolder } from '../../libs/agent/src/instance/bundle-folder.js';
import { lookUpUser } from '../../libs/agent/src/instance/child-user.js';
import { FORWARDED_SIGNALS, Supervisor } from '../../libs/agent/src/instance/supervisor.js';
import { Log } from '../../libs/agent/src/log.js';

type Supervised = { folder: string; script: string; stopGraceSeconds: number; user?: string };

const { folder: path, script, stopGraceSeconds, user: name } = JSON.parse(process.env['SUPERVISED']!) as Supervised;
const log = new Log((line) => process.stderr.write(line));
const user = name === undefined ? undefined : lookUpUser(name);
const folder = BundleFolder.open({
  dir: join(path, 'bundles'),
  env: {},
  configFile: join(path, 'config.json'),
  user,
  log,
});
const { SUPERVISED: _, ...env } = process.env;
const supervisor = new Supervisor({ command: ['/bin/sh', '-c', script], env, user, folder, log });
for (const signal of FORWARDED_SIGNALS) process.on(signal, () => supervisor.signal(signal));
await supervisor.clearAway();
const version = 1;
const written = await folder.write({ version, files: [], config: {}, dependencies: [] });
const ready = { afterSeconds: 0, timeoutSeconds: 60 };
const run: BundleRun = {
  onChange: 'restart',
  onRevoke: 'stop',
  onExpire: 'keep',
  ready,
  stopGraceSeconds,
  offlineGraceSeconds: 0,
};
await supervisor.start({ version, folder: written, env: {}, run });
process.exit(await supervisor.ended);
