import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse, toDocument } from '#blueprint';
import { deviceToken, newHardwareId, newNonce, provision } from '../support/api.js';
import {
  file,
  history,
  host,
  org,
  resources,
  server,
  setUpBlueprintAgents,
  start,
  web,
} from '../support/blueprint-agents.js';
import { Newt } from '../support/newt.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';

setUpBlueprintAgents();

const record = async (n: number) => {
  const { blueprintId } = (await history())[n]!;
  return org.root.expect<{ message: string; contents: string }>('GET', org.path(`blueprint/${blueprintId}`));
};

describe('an agent with a blueprint file', () => {
  it('is the truth: applied, changed with the file, overwritten when somebody edits, emptied with the file', async () => {
    const { siteProvisioningKey: key } = await org.key();
    const path = file(web('{{env.SERIAL}} web', 8080));
    const agent = start(key, { blueprintFile: path }, { SERIAL: 'SN-7' });
    await until(async () => (await resources()).length === 1);
    const [made] = await resources();
    expect(made).toMatchObject({
      niceId: 'web',
      name: 'SN-7 web',
      fullDomain: host('web'),
      enabled: true,
      targets: [{ port: 8080 }],
    });
    file(web('{{env.SERIAL}} web', 9090));
    await until(async () => (await resources())[0]?.targets[0]?.port === 9090);
    await org.root.expect('POST', `/resource/${made!.resourceId}`, { name: 'edited' });
    expect(await org.root.expect('GET', `/resource/${made!.resourceId}`)).toMatchObject({
      drift: [{ field: 'name', file: 'SN-7 web', current: 'edited' }],
    });
    expect(await agent.agent.stop()).toMatchObject({ code: 0 });
    start(key, { blueprintFile: path }, { SERIAL: 'SN-7' }, agent);
    await until(async () => (await resources())[0]?.name === 'SN-7 web');
    expect((await resources())[0]!.resourceId).toBe(made!.resourceId);
    file('{}\n');
    await until(async () => (await resources()).length === 0);
  });

  it.each(['blueprintFile', 'provisioningBlueprintFile'])(
    'one file drives a fleet: as %s each machine has what it describes',
    async (flag) => {
      const { siteProvisioningKey: key } = await org.key();
      const path = file(
        `private-resources:\n  ssh-resource: { name: SSH Server, mode: host, destination: localhost, site: "{{env.SERIAL_NUMBER}}-site", tcp-ports: "22,3389", roles: [DevOps] }\n` +
          `public-resources:\n  secure-resource: { name: Web Resource, protocol: http, full-domain: "{{env.SERIAL_NUMBER}}-${org.orgId}.localhost", auth: { sso-enabled: true, sso-roles: [Member, Admin] } }\n`,
      );
      const serials = ['sn1', 'sn2', 'sn3'];
      for (const serial of serials)
        start(key, { [flag]: path, name: '{{env.SERIAL_NUMBER}}-site' }, { SERIAL_NUMBER: serial });
      await until(async () => (await resources()).length === serials.length);
      expect((await resources()).map((r) => r.fullDomain).sort()).toEqual(
        serials.map((serial) => `${serial}-${org.orgId}.localhost`),
      );
      const { siteResources } = await org.root.expect<{ siteResources: { name: string; siteNames: string[] }[] }>(
        'GET',
        org.path('site-resources'),
      );
      expect(siteResources.map((r) => `${r.name} of ${r.siteNames.join()}`).sort()).toEqual(
        serials.map((serial) => `SSH Server of ${serial}-site`),
      );
      expect((await history()).map((h) => h.succeeded)).toEqual([true, true, true]);
    },
  );

  it('takes the value of a variable as it is, also one that looks like a template', async () => {
    const { siteProvisioningKey: key } = await org.key();
    start(key, { blueprintFile: file(web('{{env.SERIAL}} web', 8080)) }, { SERIAL: '{{env.ODD}}' });
    await until(async () => (await resources())[0]?.name === '{{env.ODD}} web');
  });

  it('stages under a key that wants approval, bootstraps once, and comes into service with the approval', async () => {
    const { siteProvisioningKey: key } = await org.key({ approveNewSites: false });
    const agent = start(key, { provisioningBlueprintFile: file(web('Bootstrapped', 80)), name: 'press' });
    await until(async () => (await history()).length === 1);
    expect(await resources()).toEqual([]);
    const site = (await org.sites()).sites[0]!;
    await org.root.expect('POST', `/site/${site.siteId}`, { status: 'approved' });
    const [made] = await resources();
    expect(made).toMatchObject({ name: 'Bootstrapped', enabled: true });
    await org.root.expect('POST', `/resource/${made!.resourceId}`, { name: "the operator's" });
    expect(await agent.agent.stop()).toMatchObject({ code: 0 });
    const again = start(key, { provisioningBlueprintFile: file(web('Again', 81)), name: 'press' }, {}, agent);
    await until(async () => (await org.root.expect<{ online: boolean }>('GET', `/site/${site.siteId}`)).online);
    expect(await again.agent.stop()).toMatchObject({ code: 0 });
    expect((await resources()).map((r) => r.name)).toEqual(["the operator's"]);
  });
});

describe('an agent that waits for approval', () => {
  it('loses a name to the operator, and sends its file anew when it is approved', async () => {
    const { siteProvisioningKey: key } = await org.key({ approveNewSites: false });
    start(key, { blueprintFile: file(web('Waiting', 80)), name: 'press' });
    await until(async () => (await history()).length === 1);
    const domainId = (await org.root.expect<{ domains: { domainId: string }[] }>('GET', org.path('domains')))
      .domains[0]!.domainId;
    const made = await org.root.expect<{ resourceId: number }>('PUT', org.path('resource'), {
      name: 'Mine',
      http: true,
      protocol: 'tcp',
      domainId,
      subdomain: `web-${org.orgId}`,
    });
    await org.root.expect('DELETE', `/resource/${made.resourceId}`);
    const site = (await org.sites()).sites[0]!;
    await org.root.expect('POST', `/site/${site.siteId}`, { status: 'approved' });
    await until(async () => (await resources())[0]?.name === 'Waiting');
  });
});

describe("a profile's blueprint", () => {
  it('is applied once to each new site, with the words of the site', async () => {
    const text = `public-resources:\n  "{{site.niceId}}":\n    name: "{{site.hardwareId}} in {{label.room}}"\n    protocol: http\n    full-domain: "{{site.niceId}}.localhost"\n    targets: [{method: http, hostname: localhost, port: 80}]\n`;
    const { profileId } = await org.root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
      name: 'fleet',
      labels: { room: 'cold' },
      blueprint: text,
    });
    const key = await org.keyUnder({ profileId });
    const ids = [newHardwareId(), newHardwareId(), newHardwareId()];
    for (const hardware_id of ids)
      expect(
        (await provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id, claim_nonce: newNonce() }))
          .status,
      ).toBe(201);
    expect((await resources()).map((r) => r.name).sort()).toEqual(ids.map((id) => `${id} in cold`).sort());
    expect(await history()).toHaveLength(3);
  });

  it('that is wrong is refused when it is stored; one that cannot be applied does not refuse the claim', async () => {
    const bad = await org.root.put<never>(org.path('provisioning-profile'), {
      name: 'bad',
      blueprint: 'public-resources: {web: {nme: x, mode: http, full-domain: a.example.org, targts: []}}',
    });
    expect([bad.status, bad.body.message]).toEqual([
      400,
      expect.stringMatching(/nme: .*did you mean "name"\?.*targts: .*did you mean "targets"\?/),
    ]);
    const { profileId } = await org.root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
      name: 'lost',
      blueprint: 'public-resources: {web: {name: x, protocol: http, full-domain: a.example.org}}',
    });
    const key = await org.keyUnder({ profileId });
    expect(
      (await provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId() })).status,
    ).toBe(201);
    expect(await history()).toMatchObject([{ succeeded: false }]);
  });

  const profiled = async (text: string, more: object = {}) => {
    const { profileId } = await org.root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
      name: 'fleet',
      blueprint: text,
      ...more,
    });
    return profileId;
  };
  const named = (name: string) =>
    `public-resources:\n  mine:\n    name: "${name}"\n    protocol: http\n    full-domain: "${host('taken')}"\n    auth: {password: "hush-hush"}\n`;
  const holdName = async () => {
    await org.root.expect('PUT', org.path('blueprint'), {
      blueprint: Buffer.from(web('Holder', 80, 'taken').replace(/ {4}targets:[\s\S]*/, '')).toString('base64'),
    });
    return (await resources()).find((one) => one.niceId === 'taken')!;
  };

  it('that could not be applied is tried again with a claim and a session, without another row of history, until it was', async () => {
    const holder = await holdName();
    const key = await org.keyUnder({ profileId: await profiled(named('From the profile')) });
    const claim = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId(), claim_nonce: newNonce() };
    expect((await provision(server.url, claim)).status).toBe(201);
    expect((await history()).map((one) => one.succeeded)).toEqual([false, true]);
    expect((await provision(server.url, claim)).status).toBeLessThan(300);
    expect(await history()).toHaveLength(2);
    await org.root.expect('DELETE', `/resource/${holder.resourceId}`);
    expect((await provision(server.url, claim)).status).toBeLessThan(300);
    expect((await resources()).map((one) => one.name)).toEqual(['From the profile']);
    await org.root.expect('DELETE', `/resource/${(await resources())[0]!.resourceId}`);
    expect((await provision(server.url, claim)).status).toBeLessThan(300);
    expect(await resources()).toEqual([]);
  });

  it('that could not be applied is tried again when the agent connects', async () => {
    const holder = await holdName();
    const key = await org.keyUnder({ profileId: await profiled(named('From the profile')) });
    const agent = start(key.siteProvisioningKey, {});
    await until(async () => (await org.sites()).sites[0]?.online === true);
    await agent.agent.stop();
    await org.root.expect('DELETE', `/resource/${holder.resourceId}`);
    start(key.siteProvisioningKey, {}, {}, agent);
    await until(async () => (await resources())[0]?.name === 'From the profile');
  });

  it('that wants a label is tried again at approval; its history keeps the words, without secrets', async () => {
    const key = await org.keyUnder(
      { profileId: await profiled(named('In {{label.room}}')) },
      { approveNewSites: false },
    );
    expect(
      (await provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId() })).status,
    ).toBe(201);
    expect(await record(0)).toMatchObject({
      message: expect.stringContaining('the site has no label room'),
      contents: named('In {{label.room}}').replace('hush-hush', '********'),
    });
    const site = (await org.sites()).sites[0]!;
    await org.root.expect('POST', `/site/${site.siteId}`, { labels: { room: '7' } });
    await org.root.expect('POST', `/site/${site.siteId}`, { status: 'approved' });
    await until(async () => (await resources())[0]?.name === 'In 7');
  });
});

describe('a document that is sent again', () => {
  let session: TestSession;
  beforeEach(async () => {
    const key = await org.key();
    const { body } = await provision(server.url, {
      provision_key: key.siteProvisioningKey,
      hardware_id: newHardwareId(),
    });
    session = await TestSession.connect(server.wsUrl, (await deviceToken(server.url, body.api_key)).body.data.token);
    await session.hello();
  });
  afterEach(() => session?.close());

  const say = async (kind: string, text: string) => {
    const id = randomUUID();
    const parsed = parse(text);
    if (!parsed.ok) throw new Error(text);
    session.send('agent/blueprint', { id, kind, document: toDocument(parsed.model), digest: 'x' });
    return (await session.message('agent/blueprint-result', (data) => data['id'] === id)).data as {
      ok: boolean;
      message: string;
    };
  };
  const unknown = (key: string) =>
    web('Elsewhere', 80, key).replace(/full-domain: .*/, 'full-domain: a.nowhere.example');

  it('and refused as before leaves one row of history; another document, or another kind, has its own', async () => {
    for (let n = 0; n < 3; n++) expect(await say('file', unknown('a'))).toMatchObject({ ok: false });
    expect(await history()).toHaveLength(1);
    for (let n = 0; n < 2; n++) for (const kind of ['file', 'bootstrap']) await say(kind, unknown('a'));
    expect(await history()).toHaveLength(2);
    await say('file', unknown('b'));
    await say('file', unknown('a'));
    await say('file', web('Fine', 80));
    await say('file', unknown('a'));
    expect((await history()).map((one) => one.succeeded)).toEqual([false, true, false, false, false, false]);
  });

  it('as a bootstrap is told that nothing was done', async () => {
    expect(await say('bootstrap', web('Once', 80))).toMatchObject({
      ok: true,
      message: 'Blueprint applied successfully',
    });
    expect(await say('bootstrap', web('Twice', 80))).toMatchObject({
      ok: true,
      message: expect.stringContaining('already applied to this site, nothing was done'),
    });
    expect((await resources()).map((one) => one.name)).toEqual(['Once']);
  });

  it("as labels is refused while the site's dockerSocketEnabled is false, which the agent is told", async () => {
    const { siteId } = (await org.sites()).sites[0]!;
    expect(await say('labels', web('Labelled', 80))).toMatchObject({ ok: true });
    await org.root.expect('POST', `/site/${siteId}`, { dockerSocketEnabled: false });
    await session.message('agent/state', (data) => data['dockerSocketEnabled'] === false);
    expect(await say('labels', '{}')).toMatchObject({
      ok: false,
      message: expect.stringContaining('dockerSocketEnabled is false'),
    });
    expect([await resources(), await history()]).toMatchObject([[{ name: 'Labelled' }], [{ succeeded: true }]]);
    await org.root.expect('POST', `/site/${siteId}`, { dockerSocketEnabled: true });
    expect(await say('labels', '{}')).toMatchObject({ ok: true });
  });
});

describe('an unmodified newt', () => {
  it('sends its document and is told what became of it', async () => {
    const { siteProvisioningKey: key } = await org.key();
    const credentials = await Newt.provision(server.url, key, `newt ${randomUUID()}`);
    const blueprint = JSON.stringify({
      'proxy-resources': {
        web: {
          name: 'From newt',
          protocol: 'http',
          'full-domain': host('web'),
          targets: [{ method: 'http', hostname: 'localhost', port: 80 }],
        },
      },
    });
    const newt = new Newt({ url: server.url, ...credentials, blueprint });
    await newt.connect();
    expect(await newt.message('newt/blueprint/results')).toEqual({
      success: true,
      message: 'Blueprint applied successfully',
    });
    expect((await resources()).map((r) => r.name)).toEqual(['From newt']);
    await newt.stop();
  });
});
