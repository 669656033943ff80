// Failpoint "stopped-in-first-run": SIGTERM arrives as the first run begins, which then meets a database that the stop has closed.
// Loaded into a test server with --import; production builds have no failpoints.
import 'reflect-metadata';
import { setImmediate as nextTurn } from 'node:timers/promises';

const { FirstRun } = await import(new URL('../../../dist/src/first-run/first-run.service.js', import.meta.url).href);

const run = FirstRun.prototype.run;
FirstRun.prototype.run = function () {
  const { dataSource } = this.db;
  const destroy = dataSource.destroy.bind(dataSource);
  return new Promise((resolve, reject) => {
    dataSource.destroy = async () => {
      await destroy();
      await run.call(this).then(resolve, reject);
      await nextTurn(); // the start hears of it before the stop goes on
    };
    process.kill(process.pid, 'SIGTERM');
  });
};
