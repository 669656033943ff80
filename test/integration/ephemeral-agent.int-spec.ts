// The rule is docs/agent-protocol.md rule 39.
import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SiteExpiry } from '../../src/agents/expiry/site-expiry.service.js';
import { TestAgent } from '../support/agent.js';
import { type TestKey, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

const SECONDS = 600;
let app: TestApp;
let org: TestOrg;
let key: TestKey;
let agents: TestAgent[];
beforeAll(async () => {
  app = await openTestApp({ SERVER_ROLES: 'agents' });
  org = await TestOrg.create(app.root);
  key = await org.keyUnder({ ephemeralSeconds: SECONDS });
  await app.sql(`UPDATE server SET lease_since = now() - interval '1 day'`);
});
afterAll(() => app?.close());
beforeEach(() => {
  agents = [];
});
afterEach(async () => {
  for (const agent of agents) await agent.remove();
});

const start = (cli: object, folder?: string, file?: object): TestAgent => {
  const agent = TestAgent.start(
    { endpoint: app.root.url, ephemeral: true, ...cli },
    { ...(folder === undefined ? {} : { folder }), ...(file === undefined ? {} : { file }) },
  );
  agents.push(agent);
  return agent;
};
const withKey = () => ({ provisioningKey: key.siteProvisioningKey });
/** @returns the number of its site, once the agent is connected. */
const connected = (agent: TestAgent) =>
  until(() => {
    const [, siteId] = /connected as \S+ .*\(site (\d+)\)|connected as .*site (\d+)/.exec(agent.output) ?? [];
    return siteId === undefined ? undefined : Number(siteId);
  });
const siteOf = async (agent: TestAgent) => {
  const [row] = await app.sql<{ siteId: number; hardwareId: string }>(
    `SELECT site_id AS "siteId", hardware_id AS "hardwareId" FROM site_credential c JOIN site s USING (site_id) WHERE newt_id = $1`,
    [agent.file()['id']],
  );
  return row!;
};
async function expire(siteId: number): Promise<void> {
  await until(
    async () =>
      (await app.sql('SELECT FROM site_presence WHERE site_id = $1 AND session_id IS NULL', [siteId])).length === 1,
  );
  await app.sql('UPDATE site_presence SET last_seen_at = now() - make_interval(secs => $2) WHERE site_id = $1', [
    siteId,
    SECONDS,
  ]);
  // What the agent said last may be written just now, and holds the site.
  await until(async () => (await app.get(SiteExpiry).removeDue()) === 1);
}

describe('an ephemeral agent', () => {
  it('says how long its site stays, and claims anew with the key that it is given still, as the same device', async () => {
    const first = start(withKey());
    await connected(first);
    expect(first.output).toContain(`removed when it has been offline for ${SECONDS} s`);
    const before = await siteOf(first);
    await first.agent.stop();
    await expire(before.siteId);

    const again = start(withKey(), first.folder);
    await connected(again);
    expect(again.output).toMatch(
      /refuses the credential of site .*removed because it was offline for long: claiming a new one/,
    );
    const after = await siteOf(again);
    expect(after.siteId).not.toBe(before.siteId);
    expect(after.hardwareId).toBe(before.hardwareId);
    expect((await app.root.get(`/site/${before.siteId}`)).status).toBe(404);
  });

  it('ends with 77 without a key: the config file kept none', async () => {
    const first = start({}, undefined, { provisioningKey: key.siteProvisioningKey });
    await connected(first);
    const { siteId } = await siteOf(first);
    await first.agent.stop();
    await expire(siteId);
    expect(await start({}, first.folder).agent.done).toMatchObject({ code: 77 });
  });

  it('ends with 77 when its site is deleted while it is connected, key or no key', async () => {
    const agent = start(withKey());
    await connected(agent);
    const { siteId } = await siteOf(agent);
    await app.root.expect('DELETE', `/site/${siteId}`);
    expect(await agent.agent.done).toMatchObject({ code: 77 });
    expect((await app.sql('SELECT FROM claim WHERE site_id > $1', [siteId])).length).toBe(0);
  });

  it('is told where the template makes no ephemeral sites, and then never claims anew', async () => {
    const plain = await org.key();
    const first = start({ provisioningKey: plain.siteProvisioningKey });
    await connected(first);
    expect(first.output).toContain('--ephemeral has no effect');
    const { siteId } = await siteOf(first);
    await first.agent.stop();
    await app.root.expect('DELETE', `/site/${siteId}`);
    expect(await start({ provisioningKey: plain.siteProvisioningKey }, first.folder).agent.done).toMatchObject({
      code: 77,
    });
    expect((await org.readKey(plain.siteProvisioningKeyId)).numUsed).toBe(1);
  });

  it('asks for nothing of it unless it is told to', async () => {
    const agent = start({ ...withKey(), ephemeral: false });
    await connected(agent);
    expect(await app.root.expect('GET', `/site/${(await siteOf(agent)).siteId}`)).toMatchObject({
      ephemeralSeconds: null,
    });
  });
});
