import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, provision, TestOrg } from '../support/api.js';
import { startServer, type TestServer, until } from '../support/server.js';

let server: TestServer;
let root: Api;

beforeAll(async () => {
  server = await startServer();
  root = Api.root(server);
});
afterAll(async () => {
  await server?.stop();
});

interface Event {
  id: number;
  cursor: string;
  type: string;
  siteId: number;
  data: { deviceId: string; hardwareId: string };
}

/** Reads a stream of server-sent events until `enough`. */
async function follow(
  url: string,
  headers: Record<string, string>,
  enough: (events: Event[]) => boolean,
): Promise<{ events: Event[]; close: () => void }> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const events: Event[] = [];
  let rest = '';
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  while (!enough(events)) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split('\n\n');
    rest = parts.pop()!;
    for (const part of parts) {
      const data = part.split('\n').find((line) => line.startsWith('data: '));
      if (data) events.push(JSON.parse(data.slice(6)) as Event);
    }
  }
  return { events, close: () => abort.abort() };
}

describe('the event feed', () => {
  it('tells of a first claim exactly once, and goes on from a cursor', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    const body = { provision_key: key.siteProvisioningKey, hardware_id: 'SN-1' };
    const { body: device } = await provision(server.url, body);
    await provision(server.url, body);
    const feed = await until(async () => {
      const f = await root.expect<{ events: Event[]; next: string }>('GET', org.path('events?type=device.provisioned'));
      return f.events.length > 0 ? f : undefined;
    });
    expect(feed.events.map((e) => [e.type, e.data.deviceId, e.data.hardwareId])).toEqual([
      ['device.provisioned', device.device_id, 'SN-1'],
    ]);
    expect((await root.expect<{ events: Event[] }>('GET', org.path(`events?after=${feed.next}`))).events).toEqual([]);
    expect((await root.get(org.path('events?after=nonsense'))).status).toBe(400);
    expect((await root.get(org.path('events?type=nothing'))).status).toBe(400);
  });

  it('streams events as they happen, and resumes by Last-Event-ID without losing or repeating one', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    const claim = () => provision(server.url, { provision_key: key.siteProvisioningKey });
    const url = `${server.url}/api/v1${org.path('events/stream?type=device.provisioned')}`;
    const authorization = `Bearer ${server.rootKey}`;
    const following = follow(url, { authorization }, (e) => e.length >= 2);
    await claim();
    await claim();
    const first = await following;
    first.close();
    await claim();
    const second = await follow(url, { authorization, 'last-event-id': first.events[1]!.cursor }, (e) => e.length >= 1);
    second.close();
    const ids = [...first.events, ...second.events].map((e) => e.id);
    expect(new Set(ids).size).toBe(3);
  });

  it('ends a stream whose key was deleted', async () => {
    const org = await TestOrg.create(root);
    const created = await root.expect<{ apiKeyId: string; apiKey: string }>('PUT', org.path('api-key'), {
      name: 'reader',
    });
    await root.expect('POST', org.path(`api-key/${created.apiKeyId}/actions`), { actionIds: ['listEvents'] });
    const stream = follow(
      `${server.url}/api/v1${org.path('events/stream')}`,
      { authorization: `Bearer ${created.apiKeyId}.${created.apiKey}` },
      () => false,
    );
    await root.expect('DELETE', org.path(`api-key/${created.apiKeyId}`));
    expect((await stream).events).toEqual([]);
  });
});

describe('the audit', () => {
  it('tells who did what from where, with filters', async () => {
    const org = await TestOrg.create(root);
    const key = await org.key();
    await provision(server.url, { provision_key: key.siteProvisioningKey, hardware_id: 'SN-7' });
    const all = await root.expect<{
      audit: { action: string; actorType: string; address: string; result: string }[];
      pagination: { total: number };
    }>('GET', org.path('audit'));
    expect(all.audit.map((a) => a.action)).toEqual(['site.claim', 'site_provisioning_key.create', 'org.create']);
    expect(all.pagination.total).toBe(3);
    expect(all.audit[0]).toMatchObject({
      actorType: 'agent',
      actorId: 'SN-7',
      address: '127.0.0.1',
      result: 'success',
    });
    expect(all.audit[1]).toMatchObject({ actorType: 'root_key', address: '127.0.0.1' });
    const one = await root.expect<{ audit: unknown[] }>(
      'GET',
      org.path('audit?action=site.claim&actorId=SN-7&result=success'),
    );
    expect(one.audit).toHaveLength(1);
    expect((await root.get(org.path('audit?surprise=1'))).status).toBe(400);
    expect(JSON.stringify(all)).not.toContain(key.siteProvisioningKey.split('.')[1]);
  });
});
