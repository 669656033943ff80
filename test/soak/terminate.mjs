// Database connections are ended one by one, again and again, under 96 callers at two servers.
import { sleep } from '../load/lib.mjs';
import { Callers } from './callers.mjs';
import { assertAlive, ready, twoServers } from './servers.mjs';

export const terminate = {
  about: 'half of the database connections ended at a time, under 96 callers',
  times: 200,
  async run(testbed, times) {
    const servers = await twoServers(testbed);
    const callers = await Callers.open(testbed, () => servers);
    callers.start();
    let ended = 0;
    for (let i = 0; i < times; i++) {
      const rows = await servers[0].sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'gatehouse%' AND random() < 0.5`,
      );
      ended += rows.length;
      assertAlive(servers);
      await sleep(100);
    }
    await callers.more(200);
    await callers.stop();
    await ready(servers);
    assertAlive(servers);
    const figures = await callers.check();
    callers.close();
    for (const server of servers) await server.stop();
    return { ended, ...figures };
  },
};
