import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const page = readFileSync(new URL('../docs/credentials.md', import.meta.url), 'utf8');

interface Traefik {
  tcp: { routers: Record<string, { service: string; tls?: { passthrough?: boolean } }>; services: object };
  http: {
    routers: Record<string, { middlewares?: string[] }>;
    middlewares: Record<string, { headers?: { customRequestHeaders?: Record<string, string> } }>;
  };
}

describe('docs/credentials.md §5, for Traefik,', () => {
  const { tcp, http } = parse(/\nTraefik[^`]*`[\s\S]*?```yaml\n([\s\S]*?)```/.exec(page)![1]!) as Traefik;

  it('lets the devices through to a service that there is, TLS and all', () => {
    const routers = Object.values(tcp.routers);
    expect(routers.length).toBeGreaterThan(0);
    for (const { tls, service } of routers) {
      expect(tls?.passthrough).toBe(true);
      expect(Object.keys(tcp.services)).toContain(service);
    }
  });

  it('removes what tells a certificate from everything else', () => {
    const routers = Object.values(http.routers);
    expect(routers.length).toBeGreaterThan(0);
    for (const { middlewares = [] } of routers) {
      const headers = Object.assign({}, ...middlewares.map((name) => http.middlewares[name]?.headers));
      // An empty value removes the field.
      expect(headers).toMatchObject({ customRequestHeaders: { 'Client-Cert': '', 'Client-Cert-Chain': '' } });
    }
  });
});
