// PostgreSQL is restarted under 96 callers at two servers; both live on, and what was answered is what is there.
import { Callers } from './callers.mjs';
import { assertAlive, ready, twoServers } from './servers.mjs';

export const restarts = {
  about: 'PostgreSQL restarted under 96 callers',
  times: 10,
  async run(testbed, times) {
    const servers = await twoServers(testbed);
    const callers = await Callers.open(testbed, () => servers);
    callers.start();
    for (let i = 0; i < times; i++) {
      await callers.more(200);
      await testbed.restartPostgres();
      assertAlive(servers);
      await ready(servers);
    }
    await callers.more(200);
    await callers.stop();
    assertAlive(servers);
    const figures = await callers.check();
    callers.close();
    for (const server of servers) await server.stop();
    return figures;
  },
};
