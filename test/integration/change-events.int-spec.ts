import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Action } from '#contracts';
import { JobHandlers, JobsService } from '../../src/jobs/index.js';
import type { Api } from '../support/api.js';
import { secretValue } from '../support/secret-values.js';
import { until } from '../support/server.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

interface Event {
  id: number;
  cursor: string;
  type: string;
  siteId: number | null;
  data: Record<string, unknown>;
}

let app: TestApp;
let orgId: string;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
beforeEach(async () => {
  orgId = `o${randomUUID().slice(0, 8)}`;
  await app.makeOrg(orgId);
});

const path = (rest: string) => `/org/${orgId}/${rest}`;
const make = <T>(what: string, body: object) => app.root.expect<T>('PUT', path(what), body);
const feed = async (api: Api = app.root, query = '') =>
  (await api.expect<{ events: Event[] }>('GET', path(`events${query}`))).events;
/** The whole feed once it has this type: an older transaction of another spec may hold it back for a while. */
const feedWith = (type: string, api?: Api) =>
  until(async () => {
    const events = await feed(api);
    return events.some((event) => event.type === type) && events;
  });

describe('what changes on a page is an event', () => {
  it('of its beginning, change and end, that says which it was, what was done and by whom', async () => {
    const { siteId } = await make<{ siteId: number }>('site', { name: 'Press', type: 'newt' });
    const { siteProvisioningKeyId: keyId } = await make<{ siteProvisioningKeyId: string }>('site-provisioning-key', {
      name: 'k',
      maxBatchSize: null,
    });
    const { resourceId } = await make<{ resourceId: number }>('resource', {
      name: 'r',
      http: false,
      protocol: 'tcp',
      proxyPort: 9000,
    });
    const { targetId } = await app.root.expect<{ targetId: number }>('PUT', `/resource/${resourceId}/target`, {
      siteId,
      ip: '127.0.0.1',
      port: 80,
    });
    await app.root.expect('POST', `/site/${siteId}`, { name: 'Press 2' });
    await app.root.expect('DELETE', `/resource/${resourceId}`);
    await app.root.expect('DELETE', `/site/${siteId}`);
    const events = await feedWith('site.deleted');
    const told = (type: string) => events.filter((event) => event.type === type);
    expect(told('site.created')).toMatchObject([{ siteId, data: { action: 'site.create', by: 'test' } }]);
    expect(told('site.updated')).toMatchObject([{ siteId, data: { action: 'site.update' } }]);
    expect(told('site.deleted')).toMatchObject([{ siteId }]);
    expect(told('key.created')).toMatchObject([{ siteId: null, data: { keyId } }]);
    // Their numbers were drawn in the packet of the event.
    expect(told('resource.created')).toMatchObject([{ data: { resourceId } }]);
    expect(told('target.created')).toMatchObject([{ data: { targetId } }]);
    expect(told('resource.deleted')).toMatchObject([{ data: { resourceId } }]);
  });

  it('and none when it was not', async () => {
    expect((await app.root.send('PUT', path('site'), { name: 'x', type: 'newt', niceId: '7' })).status).toBe(400);
    await make('site', { name: 'Press', type: 'newt', niceId: 'press' });
    expect((await app.root.send('PUT', path('site'), { name: 'x', type: 'newt', niceId: 'press' })).status).toBe(409);
    expect((await feedWith('site.created')).map((event) => event.type)).toEqual(['site.created']);
  });
});

describe('a reader', () => {
  const withSecret = async () => {
    await make('secret', { name: 'DB', value: secretValue() });
    await make('site', { name: 'Press', type: 'newt' });
  };
  const key = (...actions: Action[]) => app.orgKey(orgId, 'listEvents', ...actions);

  it('gets no event about what they may not list', async () => {
    await withSecret();
    const types = async (...actions: Action[]) =>
      (await feedWith('site.created', await key('listSites', ...actions))).map((event) => event.type);
    expect(await types('listSecrets')).toContain('secret.created');
    expect(await types()).not.toContain('secret.created');
    expect((await feed(await key())).map((event) => event.type)).toEqual([]);
    const asked = await (await key()).send('GET', path('events?type=secret.created'));
    expect(asked.status).toBe(403);
    expect(asked.body.message).toContain('listSecrets');
  });

  it('who asks for what comes from now on hears of it alone, in the feed and as a stream', async () => {
    await withSecret();
    await feedWith('site.created');
    const { next } = await app.root.expect<{ next: string }>('GET', path('events?after=now'));
    expect(await feed(app.root, `?after=${next}`)).toEqual([]);
    const open = async (after: string, api: Api, lastId?: string) => {
      const end = new AbortController();
      const answer = await fetch(`${app.root.url}/api/v1${path(`events/stream?after=${after}`)}`, {
        headers: { authorization: `Bearer ${api.authorization}`, ...(lastId ? { 'last-event-id': lastId } : {}) },
        signal: end.signal,
      });
      let text = '';
      void answer
        .body!.pipeThrough(new TextDecoderStream())
        .pipeTo(new WritableStream({ write: (chunk) => void (text += chunk) }))
        .catch(() => undefined);
      await until(() => Promise.resolve(text.includes(': open')));
      return { text: () => text, end: () => end.abort() };
    };
    const viewer = await key('listSites');
    const streams = [await open('now', app.root), await open('now', viewer)];
    expect(streams[0]!.text()).toMatch(/^retry: [12]\d\d\d\nid: \S+\n: open\n\n$/);
    // A browser that lost it before anything came goes on from there.
    const resumeAt = /id: (\S+)/.exec(streams[0]!.text())![1]!;
    await make('secret', { name: 'DB2', value: secretValue() });
    await make('group', { name: 'lab' });
    const { siteId } = await make<{ siteId: number }>('site', { name: 'Second', type: 'newt' });
    streams.push(await open('now', app.root, resumeAt));
    for (const { text } of streams) await until(() => Promise.resolve(text().includes(`"siteId":${siteId}`)));
    // The viewer's key is told late where an older transaction of another spec holds the feed back.
    const types = streams.map(({ text }) =>
      [...text().matchAll(/^event: (.*)$/gm)].map((match) => match[1]!).filter((type) => !type.startsWith('api_key.')),
    );
    const all = ['secret.created', 'group.created', 'site.created'];
    expect(types).toEqual([all, ['site.created'], all]);
    for (const { end } of streams) end();
  });
});

describe('a job', () => {
  it('tells how far it has come at most once a second, and what it changes not one by one', async () => {
    const steps: number[] = [];
    app.get(JobHandlers).register<{ items: number }, { next: number }>('told', {
      action: 'updateSite',
      async step(_tx, { input, progress }) {
        steps.push(performance.now());
        const next = (progress?.next ?? 0) + 1;
        await delay(20);
        return {
          progress: { next },
          results: [{ item: String(next), outcome: 'ok', failed: false, message: null }],
          done: next === input.items,
        };
      },
    });
    const job = { kind: 'told', input: { items: 60 }, total: 60, pace: null };
    const { jobId } = await app.db.tx((tx) => app.get(JobsService).start(tx, operator, orgId, job));
    const events = await feedWith('job.finished');
    const of = (type: string) => events.filter((event) => event.type === type);
    expect(of('job.created')).toMatchObject([{ data: { jobId } }]);
    expect(of('job.finished')).toMatchObject([{ data: { jobId, status: 'succeeded', done: 60 } }]);
    const progress = of('job.progress').map(({ data }) => data['done'] as number);
    const seconds = Math.floor((steps.at(-1)! - steps[0]!) / 1000);
    expect(progress.length).toBeGreaterThanOrEqual(1);
    expect(progress.length).toBeLessThanOrEqual(seconds + 1);
    expect(progress).toEqual([...new Set(progress)].sort((a, b) => a - b));
  });
});
