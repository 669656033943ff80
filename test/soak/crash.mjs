// Servers are killed in turn while machines claim at both: no claim is lost or counted twice, and a retry gets a working credential.
import { setImmediate as turn } from 'node:timers/promises';
import { Callers } from './callers.mjs';
import { anotherServer, assertAlive, ready, twoServers } from './servers.mjs';

export const crash = {
  about: 'kill -9 of a server while machines claim',
  times: 20,
  async run(testbed, times) {
    let servers = await twoServers(testbed);
    const { databaseUrl } = servers[0];
    const callers = await Callers.open(testbed, () => servers, { lossy: true });
    callers.start();
    for (let i = 0; i < times; i++) {
      await callers.more(100);
      // In the middle of something: the callers have had a turn since the last answer was seen.
      await turn();
      const [doomed, other] = i % 2 === 0 ? servers : servers.toReversed();
      doomed.child.kill('SIGKILL');
      servers = [other];
      await doomed.child.ended;
      servers = [other, await anotherServer(testbed, databaseUrl)];
      assertAlive(servers);
    }
    await callers.more(100);
    await callers.stop();
    await ready(servers);
    const figures = await callers.check();
    callers.close();
    for (const server of servers) await server.stop();
    return figures;
  },
};
