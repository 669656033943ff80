import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { enrolLine } from '#contracts';
import { type Agent, systemClock } from '../../libs/agent/src/index.js';
import { TestAgent } from '../support/agent.js';
import { Api, TestOrg } from '../support/api.js';
import { BareMachine } from '../support/bare-machine.js';
import { startServer, type TestServer, until } from '../support/server.js';

let server: TestServer;
let org: TestOrg;
const agents: TestAgent[] = [];
beforeAll(async () => {
  server = await startServer();
  org = await TestOrg.create(Api.root(server));
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.remove();
});
afterAll(() => server?.stop());

/** The real agent against the real server, in real time. */
function start(key: string, cli: object = {}): TestAgent {
  const agent = TestAgent.start({ endpoint: server.url, provisioningKey: key, ...cli }, { clock: systemClock });
  agents.push(agent);
  return agent;
}

/** Resolves with the event's first value; fails when the agent ends instead. */
async function event(agent: Agent, name: 'welcome'): Promise<unknown> {
  const ended = agent.done.then((end) => Promise.reject(new Error(`${end.code} ${end.message}`)));
  const [value] = (await Promise.race([once(agent.events, name), ended])) as [unknown];
  return value;
}

const site = async (name: string) => (await org.sites()).sites.find((one) => one.name === name);

describe('a machine with a provisioning key', () => {
  it('claims, waits for approval, is approved on its open session, and ends when it is revoked', async () => {
    const { siteProvisioningKey: key } = await org.key({ approveNewSites: false });
    const agent = start(key, { name: 'sensor-1' });
    const statuses: string[] = [];
    let sessions = 0;
    agent.agent.events.on('applied', (state) => statuses.push(state.status)).on('welcome', () => sessions++);
    expect(await event(agent.agent, 'welcome')).toMatchObject({ status: 'pending', siteId: expect.any(Number) });
    await until(async () => (await site('sensor-1'))?.online === true);
    const { siteId } = (await site('sensor-1'))!;
    await until(() => statuses.length > 0);
    await Api.root(server).expect('POST', `/site/${siteId}`, { status: 'approved' });
    await until(() => statuses.at(-1) === 'approved');
    expect(statuses[0]).toBe('pending');
    expect(sessions).toBe(1);
    await Api.root(server).expect('POST', `/site/${siteId}/revoke`, {});
    expect(await agent.agent.done).toMatchObject({ code: 77 });
    // and once more from disk, without falling back to the key
    const again = TestAgent.start(
      { endpoint: server.url, provisioningKey: key },
      { clock: systemClock, folder: agent.folder },
    );
    agents.push(again);
    expect(await again.agent.done).toMatchObject({ code: 77 });
    expect((await org.sites()).pagination.total).toBe(1);
  });

  it('comes back as the same site after a restart, and a refused key is refused', async () => {
    const { siteProvisioningKey: key } = await org.key({ maxBatchSize: 1 });
    const first = start(key, { name: 'sensor-2' });
    await event(first.agent, 'welcome');
    expect(await first.agent.stop()).toMatchObject({ code: 0 });
    const second = TestAgent.start(
      { endpoint: server.url, provisioningKey: key },
      { clock: systemClock, folder: first.folder },
    );
    agents.push(second);
    expect(await event(second.agent, 'welcome')).toMatchObject({ siteId: (await site('sensor-2'))!.siteId });
    expect(await start(key, { noWait: true }).agent.done).toMatchObject({ code: 77 });
  });

  it('is one site with one use and a credential that works, whichever of two agents on its file was first', async () => {
    const own = await TestOrg.create(Api.root(server));
    const { siteProvisioningKey: key, siteProvisioningKeyId: id } = await own.key({ maxBatchSize: 10 });
    const options = { clock: systemClock };
    for (let round = 1; round <= 3; round++) {
      const first = TestAgent.start({ endpoint: server.url, provisioningKey: key }, options);
      const second = TestAgent.start(
        { endpoint: server.url, provisioningKey: key },
        { ...options, folder: first.folder },
      );
      agents.push(first, second);
      await until(() => [first, second].filter((one) => one.output.includes('connected as')).length === 1);
      await until(() => [first, second].filter((one) => one.output.includes('another agent runs')).length === 1);
      await Promise.all([first.agent.stop(), second.agent.stop()]);
      const third = TestAgent.start({ endpoint: server.url, noWait: true }, { ...options, folder: first.folder });
      agents.push(third);
      await event(third.agent, 'welcome');
      expect((await own.sites()).pagination.total).toBe(round);
      const { numUsed } = await own.readKey(id);
      expect(numUsed).toBe(round);
    }
  });

  it('with node and coreutils alone is enrolled by the line that the server prints', async () => {
    const own = await TestOrg.create(Api.root(server));
    const { siteProvisioningKey: key } = await own.key({ maxBatchSize: 1 });
    const machine = new BareMachine();
    const program = machine.shell(enrolLine(server.url, key));
    const online = until(async () => (await own.sites()).sites.some((one) => one.online));
    await Promise.race([online, program.ended.then(({ stderr }) => Promise.reject(new Error(stderr)))]);
    expect(JSON.stringify(machine.state())).not.toContain(key);
    await machine.remove();
  });
});
