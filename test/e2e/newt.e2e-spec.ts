import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Api, newtToken, TestOrg } from '../support/api.js';
import { Newt, type NewtOptions } from '../support/newt.js';
import { startServer, type TestServer } from '../support/server.js';
import { TestSession } from '../support/session.js';

// Unmodified newts, on two server processes of one database.
let a: TestServer;
let b: TestServer;
let org: TestOrg;
beforeAll(async () => {
  a = await startServer();
  b = await startServer({ databaseUrl: a.databaseUrl });
});
afterAll(async () => {
  await b?.stop();
  await a?.stop();
});
beforeEach(async () => {
  org = await TestOrg.create(Api.root(a));
});

const exchange = async () => Newt.provision(a.url, (await org.key()).siteProvisioningKey);
const documentOf = (...keys: string[]) =>
  JSON.stringify({
    'private-resources': Object.fromEntries(
      keys.map((key) => [key, { name: key, mode: 'host', destination: 'localhost', 'tcp-ports': '22' }]),
    ),
  });
const keys = async () =>
  (await org.root.expect<{ siteResources: { niceId: string }[] }>('GET', org.path('site-resources'))).siteResources
    .map(({ niceId }) => niceId)
    .sort();

/** A connection in which everything that it sends at first has been answered. */
async function connection(options: NewtOptions, documents: number): Promise<Newt> {
  const newt = new Newt(options);
  await newt.connect();
  for (const result of await newt.messages('newt/blueprint/results', documents))
    expect(result).toMatchObject({ success: true });
  return newt;
}

describe('documents of a newt', () => {
  it('that come on a later connection than the one of the claim, at whatever server, remove what they no longer name', async () => {
    const credentials = await exchange();
    const first = await connection({ url: a.url, ...credentials, blueprint: documentOf('one', 'two', 'three') }, 1);
    // A change of the file, on the same connection.
    first.apply(documentOf('one', 'two'));
    await first.messages('newt/blueprint/results', 2);
    expect(await keys()).toEqual(['one', 'three', 'two']);
    await first.stop();
    const later = await connection({ url: b.url, ...credentials, blueprint: documentOf('one', 'two') }, 1);
    expect(await keys()).toEqual(['one', 'two']);
    later.apply('{}');
    await later.messages('newt/blueprint/results', 2);
    expect(await keys()).toEqual([]);
    await later.stop();
  });

  it('from the provisioning blueprint make what stays, also when the server is killed after them', async () => {
    const credentials = await exchange();
    const server = await startServer({ databaseUrl: a.databaseUrl });
    await connection(
      {
        url: server.url,
        ...credentials,
        blueprint: documentOf('one', 'two'),
        provisioningBlueprint: documentOf('ssh'),
      },
      2,
    );
    await server.kill();
    const later = await connection({ url: b.url, ...credentials, blueprint: documentOf('two') }, 1);
    expect(await keys()).toEqual(['ssh', 'two']);
    await later.stop();
  });

  it('may all come on the next connection when the newt never saw its first one open', async () => {
    const credentials = await exchange();
    const { body } = await newtToken(a.url, credentials.newtId, credentials.secret);
    (await TestSession.connect(a.wsUrl, body.data.token)).cut();
    const first = await connection(
      { url: b.url, ...credentials, blueprint: documentOf('one', 'two'), provisioningBlueprint: documentOf('ssh') },
      2,
    );
    expect(await keys()).toEqual(['one', 'ssh', 'two']);
    await first.stop();
    const later = await connection({ url: a.url, ...credentials, blueprint: documentOf('one') }, 1);
    expect(await keys()).toEqual(['one', 'ssh']);
    await later.stop();
  });

  it('remove at once where there was no exchange: the site was made by hand', async () => {
    const site = await org.root.expect<{ newtId: string; secret: string }>('PUT', org.path('site'), {
      name: 'By hand',
      type: 'newt',
    });
    const newt = await connection(
      { url: a.url, newtId: site.newtId, secret: site.secret, blueprint: documentOf('one', 'two') },
      1,
    );
    newt.apply(documentOf('two'));
    await newt.messages('newt/blueprint/results', 2);
    expect(await keys()).toEqual(['two']);
    await newt.stop();
  });
});
