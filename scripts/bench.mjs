// `npm run bench [-- --only claims,flat --runs 3 --quick]`: starts what it measures, prints one table, leaves nothing running.
import { help, setUp } from './setup.mjs';

help(
  'npm run bench [-- --quick --runs N --only claims,flat,machine,http,sessions,refusals,hostile,resources,instances,credentials,edge,dashboard,browser --rounds N --parts small,websocket,bulk,far,logins,tls,beside,stopped,idle,restarts]',
);
await setUp();
const { run } = await import('../test/load/bench.mjs');
process.exitCode = await run(process.argv.slice(2));
