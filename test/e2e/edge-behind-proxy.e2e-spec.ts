import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestEdge, WebTarget } from '../support/edge.js';
import { until } from '../support/server.js';

let target: WebTarget;
beforeAll(async () => {
  target = await WebTarget.start((_request, response) => void response.end('ok'));
});
afterAll(() => target?.stop());

/** An edge with one published host. */
async function started(env: Record<string, string>) {
  const edge = await TestEdge.start(env);
  const { siteId } = await edge.site();
  const { resourceId, host } = await edge.resource({ applyRules: true });
  await edge.target(resourceId, siteId, target.port);
  return { edge, resourceId, host };
}

const SPOOFED = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https', 'x-request-id': 'given-1' };

describe('what a visitor says of itself', () => {
  it('is not believed without TRUST_PROXY', async () => {
    const { edge, host } = await started({});
    await edge.serves(host);
    await edge.get(host, '/', { headers: { ...SPOOFED, 'remote-user': 'root', x_real_ip: '1.1.1.1' } });
    expect(target.lastField('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(target.lastField('x-forwarded-proto')).toEqual(['http']);
    expect(target.lastField('x-request-id')[0]).not.toBe('given-1');
    expect(target.lastField('remote-user')).toEqual([]);
    expect(target.lastField('x_real_ip')).toEqual([]);
    await edge.close();
  });

  it('is what a proxy of TRUST_PROXY says, and rules go by it', async () => {
    const { edge, host, resourceId } = await started({ TRUST_PROXY: '127.0.0.1' });
    await edge.serves(host);
    await edge.get(host, '/', { headers: SPOOFED });
    expect(target.lastField('x-forwarded-for')).toEqual(['203.0.113.7, 127.0.0.1']);
    expect(target.lastField('x-real-ip')).toEqual(['203.0.113.7']);
    expect(target.lastField('x-forwarded-proto')).toEqual(['https']);
    expect(target.lastField('x-request-id')).toEqual(['given-1']);
    await edge.app.root.expect('PUT', `/resource/${resourceId}/rule`, {
      action: 'DROP',
      match: 'CIDR',
      value: '203.0.113.0/24',
      priority: 1,
    });
    await until(async () => (await edge.get(host, '/', { headers: SPOOFED })).status === 403);
    expect((await edge.get(host)).status).toBe(200);
    await edge.close();
  });
});

describe('with the PROXY protocol', () => {
  /** @returns what came back until the connection ended */
  const raw = (port: number, parts: string[]) =>
    new Promise<string>((done) => {
      const socket = connect(port, '127.0.0.1');
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
      socket.on('error', () => undefined).on('close', () => done(text));
      void (async () => {
        // Each part in a segment of its own.
        for (const part of parts) await new Promise((sent) => socket.write(part, sent));
      })();
    });

  it('the visitor is who the header names, however it is split', async () => {
    const { edge, host } = await started({ TRUST_PROXY: '127.0.0.1', EDGE_PROXY_PROTOCOL: 'true' });
    const request = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const header = 'PROXY TCP4 198.51.100.9 192.0.2.1 4711 80\r\n';
    await until(async () => (await raw(edge.port, [header, request])).startsWith('HTTP/1.1 200 '));
    expect(target.lastField('x-forwarded-for')).toEqual(['198.51.100.9']);
    expect(await raw(edge.port, ['PROXY TCP4 198.51.', '100.9 192.0.2.1 4711 80\r', `\n${request}`])).toMatch(
      /^HTTP\/1\.1 200 /,
    );
    expect(await raw(edge.port, [request])).toBe('');
    await edge.close();
  });

  it('connections of others than TRUST_PROXY are closed', async () => {
    const edge = await TestEdge.start({ TRUST_PROXY: '192.0.2.1', EDGE_PROXY_PROTOCOL: 'true' });
    expect(await raw(edge.port, ['PROXY TCP4 198.51.100.9 192.0.2.1 4711 80\r\n', 'GET / HTTP/1.1\r\n\r\n'])).toBe('');
    await edge.close();
  });
});
