// A value goes in and nothing of it comes out: docs/instances.md §2.
import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Action, INSTANCE_PATHS } from '#contracts';
import { Api, newHardwareId, provision, type Reply, TestOrg } from '../support/api.js';
import { queryDatabase } from '../support/database.js';
import { secretValue } from '../support/secret-values.js';
import { freePort, startServer, type TestServer, until } from '../support/server.js';
import { dumpOf, tracesOf } from '../support/traces.js';

let server: TestServer;
let metricsPort: number;
beforeAll(async () => {
  metricsPort = await freePort();
  server = await startServer({ env: { LOG_LEVEL: 'trace', METRICS_PORT: String(metricsPort) } });
});
afterAll(() => server?.stop());

/** Keys in order: a body as idempotency reads it. */
const canonical = (body: object) =>
  JSON.stringify(Object.fromEntries(Object.entries(body).sort(([a], [b]) => (a < b ? -1 : 1))));

it('no answer, row, log or metric tells of a value, whatever was done with it', async () => {
  const root = Api.root(server);
  const org = await TestOrg.create(root);
  const text = `${secretValue('')}pa"ss\\/+ wörd&${randomBytes(9).toString('base64')}`;
  const bytes = Buffer.concat([Buffer.from(secretValue('')), randomBytes(48)]);
  const words = [Buffer.from(text), bytes];
  const bodies: object[] = [];
  const answers: string[] = [];
  const call = async (api: Api, method: string, path: string, body?: unknown): Promise<Reply<unknown>> => {
    if (typeof body === 'object' && body !== null) bodies.push(body);
    const reply = await api.send(method, path, body);
    answers.push(reply.text, JSON.stringify([...reply.headers]));
    return reply;
  };
  const keyed = () => root.as(root.authorization, { 'idempotency-key': randomUUID() });
  const orgKey = async (...actionIds: Action[]) => {
    const { apiKeyId, apiKey } = await root.expect<{ apiKeyId: string; apiKey: string }>('PUT', org.path('api-key'), {
      name: 'k',
    });
    await root.expect('POST', org.path(`api-key/${apiKeyId}/actions`), { actionIds });
    return root.as(`${apiKeyId}.${apiKey}`);
  };

  // What is right, each twice under its Idempotency-Key.
  for (const [path, body] of [
    ['secret', { name: 'TEXT', value: text }],
    ['secret/TEXT/version', { value: text }],
    ['secret', { name: 'BYTES', value: bytes.toString('base64'), encoding: 'base64' }],
    ['secret/BYTES/version', { value: text, rollout: { canary: 0 } }],
  ] as const) {
    const api = keyed();
    for (let n = 0; n < 2; n++)
      expect((await call(api, path.includes('version') ? 'POST' : 'PUT', org.path(path), body)).status).toBe(201);
    expect(
      (await call(api, path.includes('version') ? 'POST' : 'PUT', org.path(path), { ...body, value: `${text}!` }))
        .status,
    ).toBe(409);
  }

  // What is wrong, in the value and beside it.
  const bare = await orgKey('getOrg');
  const stranger = await TestOrg.create(root);
  const wrongs: [Api, string, string, unknown, number][] = [
    [keyed(), 'PUT', org.path('secret'), { name: 'TEXT', value: text }, 409],
    [root, 'PUT', org.path('secret'), { name: text, value: text }, 400],
    [root, 'PUT', org.path('secret'), { name: 'WRONG', value: [text] }, 400],
    [root, 'PUT', org.path('secret'), { name: 'WRONG', value: { [text]: text } }, 400],
    [root, 'PUT', org.path('secret'), { name: 'WRONG', value: text.repeat(3000) }, 400],
    [root, 'PUT', org.path('secret'), { name: 'WRONG', value: text, encoding: 'base64' }, 400],
    [root, 'PUT', org.path('secret'), { name: 'WRONG', value: `${text}\0` }, 400],
    [root, 'PUT', org.path('secret'), { name: 'WRONG', value: text, encoding: text }, 400],
    [root, 'PUT', org.path('secret'), { name: 'WRONG', value: text, profileIds: [text] }, 400],
    [root, 'PUT', org.path('secret'), { name: 'WRONG', value: text, profileIds: [987654] }, 404],
    [root, 'PUT', org.path('secret'), { name: 'WRONG', valeu: text }, 400],
    [root, 'PUT', org.path('secret'), `{"name": "WRONG", "value": ${JSON.stringify(text)}`, 400],
    [root, 'PUT', org.path('secret'), `{"name": "WRONG", "value": ${text}}`, 400],
    [root, 'POST', org.path('secret/TEXT/version'), { value: text, rollout: text }, 400],
    [root, 'POST', org.path('secret/NOT_THERE/version'), { value: text }, 404],
    [root, 'POST', org.path('secret/TEXT'), { value: text }, 400],
    [root, 'POST', stranger.path('secret/TEXT/version'), { value: text }, 404],
    [bare, 'PUT', org.path('secret'), { name: 'WRONG', value: text }, 403],
    [root.as('nobody'), 'PUT', org.path('secret'), { name: 'WRONG', value: text }, 401],
    [
      root.as(root.authorization, { 'if-match': '"77"' }),
      'POST',
      org.path('secret/TEXT/version'),
      { value: text },
      412,
    ],
    [root.as(root.authorization, { 'content-type': 'text/plain' }), 'PUT', org.path('secret'), text, 415],
  ];
  for (const [api, method, path, body, status] of wrongs) {
    const reply = await call(api, method, path, body);
    expect([JSON.stringify(body), reply.status]).toEqual([JSON.stringify(body), status]);
  }

  // And it reaches a machine, sealed: from there on bundles, leases, acknowledgements and a rollout know of it.
  const { profileId } = await root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
    name: 'p',
  });
  const document = JSON.stringify({ env: { A: '{{secret.TEXT}}', B: '{{secret.BYTES | base64}}' } });
  await call(keyed(), 'PUT', org.path(`provisioning-profile/${profileId}/bootstrap`), { document });
  const { templateId } = await org.template({ profileId, hardwareIdPattern: '.*' });
  const key = await org.key({ templateId, maxBatchSize: 5, validUntil: '2040-01-01T00:00:00Z' });
  const { kty, crv, x } = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' });
  const claimed = await provision(server.url, {
    provision_key: key.siteProvisioningKey,
    hardware_id: newHardwareId(),
    bundle_key: { kty, crv, x },
  });
  expect(claimed.status).toBe(201);
  const fetchBundle = async () => {
    const response = await fetch(`${server.url}${INSTANCE_PATHS.bundle}`, {
      headers: { authorization: `Bearer ${claimed.body.api_key}` },
    });
    answers.push(await response.text(), JSON.stringify([...response.headers]));
    return response.status;
  };
  expect(await fetchBundle()).toBe(200);
  await call(keyed(), 'POST', org.path('secret/TEXT/version'), {
    value: `${text} again`,
    rollout: { canary: 0, perMinute: null },
  });
  words.push(Buffer.from(`${text} again`));
  await until(async () => {
    const { outstanding } = await root.expect<{ outstanding: { sites: { offeredVersion: number }[] } }>(
      'GET',
      org.path('secret/TEXT'),
    );
    return outstanding.sites[0]?.offeredVersion === 3;
  });
  expect(await fetchBundle()).toBe(200);
  for (const path of [
    'secret/TEXT',
    'secrets',
    'bundles',
    'jobs',
    'audit',
    'events',
    'rollouts',
    `provisioning-profile/${profileId}/bootstrap`,
  ])
    expect((await call(root, 'GET', org.path(path))).status).toBe(200);
  await call(root, 'DELETE', org.path('secret/TEXT/version/1'));
  await call(root, 'DELETE', org.path('secret/TEXT?force=true'));

  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  expect(metrics).toContain('gatehouse_');
  const places = {
    answers: answers.join('\n'),
    rows: await dumpOf(server.databaseUrl),
    logs: server.logs.join('\n'),
    metrics,
  };
  const traces = [
    ...words.flatMap((word) => tracesOf(word)),
    ...bodies.flatMap((body) =>
      [JSON.stringify(body), canonical(body)].flatMap((one) => tracesOf(Buffer.from(one), false)),
    ),
  ];
  const found = Object.entries(places).flatMap(([place, content]) =>
    traces.filter((trace) => content.includes(trace)).map((trace) => `${place}: ${trace}`),
  );
  expect(found).toEqual([]);

  // The search itself finds what is there: a plain hash in a row, of a body as it was sent and of a value.
  const hash = (what: string) => createHash('sha256').update(what).digest();
  await queryDatabase(server.databaseUrl, 'CREATE TABLE leak (hash bytea)');
  await queryDatabase(server.databaseUrl, 'INSERT INTO leak VALUES ($1), ($2)', [
    hash(text),
    hash(canonical(bodies[0]!)),
  ]);
  const after = await dumpOf(server.databaseUrl);
  expect(traces.filter((trace) => after.includes(trace)).length).toBeGreaterThanOrEqual(2);
});
