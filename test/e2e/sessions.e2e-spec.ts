import { randomBytes, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { Api, deviceToken, newtToken, register } from '../support/api.js';
import {
  approved,
  connect,
  device,
  isOnline,
  pending,
  presence,
  refusal,
  server,
  setUpDeviceSessions,
  sql,
} from '../support/device-sessions.js';
import { Newt } from '../support/newt.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';

setUpDeviceSessions();

describe('tokens', () => {
  it('answers exactly 200 with a token and a server version that newt accepts', async () => {
    const newt = (await register(server.url, { provisioningKey: approved })).body.data;
    const reply = await newtToken(server.url, newt.newtId, newt.secret);
    expect(reply.status).toBe(200);
    expect(reply.body.success).toBe(true);
    const [major, minor] = reply.body.data.serverVersion.split('.').map(Number) as [number, number];
    expect(major > 1 || (major === 1 && minor >= 13)).toBe(true);
  });

  it('refuses unknown and wrong credentials of both kinds with one and the same 401, to which a revoked one adds a statement', async () => {
    const newt = (await register(server.url, { provisioningKey: approved })).body.data;
    const gone = await device();
    await Api.root(server).expect('POST', `/site/${gone.siteId}/revoke`, {});
    const refusals = [
      await newtToken(server.url, 'unknown00000000', newt.secret),
      await newtToken(server.url, newt.newtId, 'x'.repeat(48)),
      await deviceToken(server.url, `sk_live_${randomBytes(32).toString('base64url')}`),
      await new Api(server.url).post('/auth/device/get-token'),
    ];
    for (const { status, text } of refusals) expect([status, text]).toEqual([401, refusals[0]!.text]);
    const revoked = await until(async () => {
      const reply = await deviceToken(server.url, gone.apiKey);
      return reply.status === 401 ? reply : null;
    });
    expect(refusals[0]!.body).toMatchObject({ code: 'credential_unusable', data: null });
    expect(revoked.body).toEqual({
      ...refusals[0]!.body,
      data: { revocation: expect.any(String) as string, successions: [] },
    });
  });

  it('takes the device key as X-API-Key too', async () => {
    const { apiKey } = await device();
    expect((await new Api(server.url, undefined, { 'x-api-key': apiKey }).post('/auth/device/get-token')).status).toBe(
      200,
    );
  });

  it('answers newt/version with 204 and no body', async () => {
    const reply = await new Api(server.url).post('/auth/newt/version', {
      newtId: 'a',
      secret: 'b',
      platform: 'linux_amd64',
    });
    expect([reply.status, reply.text]).toEqual([204, '']);
  });
});

describe('device/self', () => {
  it('shows the device its own site, with the configuration once approved', async () => {
    const { siteId, apiKey, deviceId, niceId } = await device(pending);
    await sql(`UPDATE site SET config = '{"volume": 3}' WHERE site_id = $1`, [siteId]);
    const self = async () =>
      (await new Api(server.url, apiKey).get('/device/self')).body as unknown as Record<string, unknown>;
    expect(await self()).toMatchObject({ device_id: deviceId, site_id: siteId, nice_id: niceId, status: 'pending' });
    expect(await self()).not.toHaveProperty('config');
    await Api.root(server).expect('POST', `/site/${siteId}`, { status: 'approved' });
    expect(await self()).toMatchObject({ status: 'approved', config: { volume: 3 } });
    expect(Number((await self())['config_version'])).toBeGreaterThan(0);
  });
});

describe('the upgrade', () => {
  it('refuses a bad token with a 401 envelope', async () => {
    for (const token of ['', 'nonsense', `${'1-1-zzzzzz'}.${'A'.repeat(43)}`]) {
      const refused = await refusal(token);
      expect([refused.status, refused.body.code]).toEqual([401, 'credential_unusable']);
    }
  });

  it('refuses a token whose credential was revoked since', async () => {
    const { siteId, token } = await device();
    await Api.root(server).expect('POST', `/site/${siteId}/revoke`, {});
    expect((await refusal(token)).body.code).toBe('credential_unusable');
    expect(await presence(siteId)).toMatchObject({ session_id: null });
  });

  it('answers 404 on paths that nobody registered, 400 where it is no websocket', async () => {
    const upgrade = (path: string, headers: Record<string, string>) =>
      new Promise<number>((resolve, reject) => {
        const req = request(`${server.url}${path}`, {
          headers: { connection: 'Upgrade', upgrade: 'websocket', ...headers },
        });
        req.on('response', (res) => {
          res.resume();
          resolve(res.statusCode ?? 0);
        });
        req.on('error', reject);
        req.end();
      });
    expect(await upgrade('/api/v1/nowhere', {})).toBe(404);
    expect(await upgrade('/api/v1/ws', { 'sec-websocket-key': 'short' })).toBe(400);
    expect(await upgrade('/api/v1/ws', { upgrade: 'something-else' })).toBe(400);
  });

  it('takes the token from the query or from Authorization, and logs it nowhere', async () => {
    const { token } = await device();
    const session = await TestSession.connect(server.wsUrl, token, { query: true });
    await session.settled();
    await session.close();
    expect(server.logs.join('\n')).not.toContain(token);
  });
});

describe('an unmodified newt', () => {
  it('provisions, connects and stays connected with an empty exit-node list, whatever the order of its first frames', async () => {
    for (let round = 0; round < 5; round++) {
      const credentials = await Newt.provision(server.url, approved, `newt ${randomUUID()}`);
      const newt = new Newt({ url: server.url, ...credentials, blueprint: '{"proxy-resources":{}}' });
      await newt.connect();
      expect(await newt.message('newt/ping/exitNodes')).toMatchObject({ exitNodes: [] });
      expect(await newt.message('newt/blueprint/results')).toMatchObject({ success: true });
      await newt.message('pong');
      while (newt.pongs === 0) await newt.change();
      expect(newt.sent).toContain('newt/wg/register');
      expect(newt.isConnected).toBe(true);
      expect(newt.problems).toEqual([]);
      await newt.stop();
      expect(newt.problems).toEqual([]);
    }
  });

  it('is told the chain id of its own request', async () => {
    const { token } = await device();
    const session = await connect(token);
    session.send('newt/ping/request', { noCloud: false, chainId: '0123456789abcdef' });
    expect((await session.message('newt/ping/exitNodes')).data).toEqual({ exitNodes: [], chainId: '0123456789abcdef' });
    await session.close();
  });

  it('has its version kept with the site', async () => {
    const credentials = await Newt.provision(server.url, approved);
    const newt = new Newt({ url: server.url, ...credentials, version: '1.14.7' });
    await newt.connect();
    await until(
      async () =>
        (
          await sql(
            `SELECT 1 FROM agent_report JOIN site_credential USING (site_id) WHERE newt_id = $1 AND agent_version = '1.14.7'`,
            [credentials.newtId],
          )
        ).length,
    );
    await newt.stop();
  });

  it('gets no answer to what it only reports, and the session goes on', async () => {
    const { token } = await device();
    const session = await connect(token);
    for (const type of [
      'newt/socket/status',
      'newt/receive-bandwidth',
      'newt/access-log',
      'newt/request-log',
      'newt/wg/get-config',
      'something/unknown',
    ]) {
      session.send(type, { any: ['thing'] });
    }
    await session.settled();
    expect(session.received.map((m) => m.type)).toEqual(['pong']);
    session.send('newt/wg/register', { publicKey: 'x', pingResults: [], newtVersion: '1.15.0', chainId: 'a' });
    await session.message('newt/socket/fetch');
    await session.settled();
    // No answer to the registration, but what a newt is told on every connection.
    expect(session.received.map((m) => m.type).sort()).toEqual(
      ['newt/healthcheck/status/request', 'newt/socket/fetch', 'pong', 'pong'].sort(),
    );
    await session.close();
  });
});

describe("Gatehouse's agent", () => {
  it('is welcomed and sent its complete state', async () => {
    const { token, siteId, niceId } = await device();
    await sql(`UPDATE site SET config = '{"volume": 3}' WHERE site_id = $1`, [siteId]);
    const session = await connect(token);
    const { welcome, state } = await session.hello({ version: '9.9.9', facts: { hostname: 'coldstore', os: 'linux' } });
    const { name } = await Api.root(server).expect<{ name: string }>('GET', `/site/${siteId}`);
    expect(welcome.data).toMatchObject({ protocol: 1, siteId, niceId, name, status: 'approved', heartbeatSeconds: 30 });
    expect(state.data).toEqual({
      version: 1,
      status: 'approved',
      targets: [],
      healthChecks: [],
      resources: [],
      config: { volume: 3 },
    });
    await until(async () => (await presence(siteId))?.client_type === 'agent');
    const [row] = await sql('SELECT agent_version, agent_facts FROM agent_report WHERE site_id = $1', [siteId]);
    expect(row).toEqual({ agent_version: '9.9.9', agent_facts: { hostname: 'coldstore', os: 'linux' } });
    await session.close();
  });

  it('pending, gets no configuration; approved while connected, gets it within the session', async () => {
    const { token, siteId } = await device(pending);
    await sql(`UPDATE site SET config = '{"volume": 3}' WHERE site_id = $1`, [siteId]);
    const session = await connect(token);
    const { welcome, state } = await session.hello();
    expect(welcome.data['status']).toBe('pending');
    expect(state.data).not.toHaveProperty('config');
    await Api.root(server).expect('POST', `/site/${siteId}`, { status: 'approved' });
    const approvedState = await session.message('agent/state', (data) => data['status'] === 'approved');
    expect(approvedState.data['config']).toEqual({ volume: 3 });
    await Api.root(server).expect('POST', `/site/${siteId}`, { status: 'pending' });
    const suspended = await session.message(
      'agent/state',
      (data) => data['status'] === 'pending' && data !== state.data,
    );
    expect(suspended.data).not.toHaveProperty('config');
    expect(session.isOpen).toBe(true);
    await session.close();
  });

  it('approved while it connects, never stays without its configuration', async () => {
    const devices = await Promise.all(Array.from({ length: 8 }, () => device(pending)));
    await Promise.all(
      devices.map(async ({ siteId, token }) => {
        const [session] = await Promise.all([
          connect(token),
          Api.root(server).expect('POST', `/site/${siteId}`, { status: 'approved' }),
        ]);
        session.send('agent/hello', { protocol: 1, version: '0.1.0', capabilities: [], facts: {} });
        await session.message('agent/state', (data) => data['status'] === 'approved' && data['config'] !== undefined);
        await session.close();
      }),
    );
  });

  it('is sent several changes within 100 ms as one state', async () => {
    const { token, siteId } = await device();
    const session = await connect(token);
    await session.hello();
    const before = session.received.length;
    await sql(
      `DO $$ BEGIN FOR i IN 1..20 LOOP UPDATE site SET desired_version = desired_version + 1 WHERE site_id = ${siteId}; PERFORM pg_notify('site_changed', '${siteId}' ); END LOOP; END $$`,
    );
    await session.message('agent/state', (data) => data['version'] === 21);
    await session.settled();
    expect(session.received.slice(before).filter((m) => m.type === 'agent/state')).toHaveLength(1);
    await session.close();
  });

  it('with an older version in its heartbeat is sent the state, with the current one nothing', async () => {
    const { token } = await device();
    const session = await connect(token);
    await session.hello();
    session.send('agent/heartbeat', { version: 1 });
    await session.settled();
    expect(session.received.filter((m) => m.type === 'agent/state')).toHaveLength(1);
    session.send('agent/heartbeat', { version: 0 });
    await until(() => session.received.filter((m) => m.type === 'agent/state').length === 2);
    await session.close();
  });

  it('has what became of a state stored', async () => {
    const { token, siteId } = await device();
    const session = await connect(token);
    await session.hello();
    const applied = async () =>
      (
        await sql<{ v: number; e: string | null }>(
          'SELECT applied_version::int v, applied_error e FROM agent_report WHERE site_id = $1',
          [siteId],
        )
      )[0];
    session.send('agent/applied', { version: 1, ok: false, error: 'disk full' });
    await until(async () => (await applied())?.e === 'disk full');
    session.send('agent/applied', { version: 1, ok: true });
    await until(async () => (await applied())?.e === null);
    expect((await applied())?.v).toBe(1);
    await session.close();
  });
});

describe('messages that are no good', () => {
  it('are answered with error, each of them, and never end the session', async () => {
    const { token } = await device();
    const session = await connect(token);
    const bad = [
      'no json',
      '[]',
      'null',
      '{"data":{}}',
      '{"type":7}',
      '{"type":"agent/hello"}',
      '{"type":"agent/hello","data":{"protocol":1,"version":7}}',
      '{"type":"agent/hello","data":{"protocol":1,"version":"1","facts":["x"]}}',
      '{"type":"agent/applied","data":{"version":-1,"ok":true}}',
      '{"type":"agent/heartbeat","data":"x"}',
      '{"type":"newt/blueprint/apply","data":{}}',
      '{"type":"agent/hello","data":{"protocol":1,"version":"a\\u0000b"}}',
    ];
    for (const frame of bad) session.ws.send(frame);
    session.ws.send(Buffer.from('binary'));
    await session.settled();
    const told = () => session.received.filter((m) => m.type === 'error');
    // Some are checked while the next is read already.
    await expect.poll(() => told().length).toBe(bad.length + 1);
    const errors = told();
    for (const { data, configVersion } of errors) {
      expect(data['message']).toEqual(expect.any(String));
      expect(configVersion).toBeGreaterThanOrEqual(1);
    }
    expect(session.isOpen).toBe(true);
    await session.close();
  });

  it('larger than 1 MB close the session; up to 1 MB they are read', async () => {
    const { token } = await device();
    const session = await connect(token);
    session.send('newt/socket/containers', { containers: ['x'.repeat(1024 * 1024 - 200)] });
    await session.settled();
    session.send('newt/socket/containers', { containers: ['x'.repeat(1024 * 1024)] });
    expect((await session.closed).code).toBe(1009);
  });

  it('sent by an agent that does not read end its session', async () => {
    const { token, siteId } = await device();
    const session = await connect(token);
    session.ws.pause();
    await until(() => isOnline(siteId));
    const flood = setInterval(() => {
      for (let i = 0; i < 2000 && session.isOpen; i++) {
        session.ws.ping('x'.repeat(125));
        session.send('newt/ping/request', { chainId: 'x'.repeat(100) });
      }
    }, 5);
    await until(async () => !(await isOnline(siteId)));
    clearInterval(flood);
    session.cut();
  });
});
