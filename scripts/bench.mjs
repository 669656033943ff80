// `npm run bench [-- --only claims,flat --runs 3 --quick]`: starts what it measures, prints one table, leaves nothing running.
import { setUp } from './setup.mjs';

setUp();
const { run } = await import('../test/load/bench.mjs');
process.exitCode = await run(process.argv.slice(2));
