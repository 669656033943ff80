import { describe, expect, it } from 'vitest';
import { traefikDocument } from './traefik-document.js';

const documentOf = (
  resources: { resourceId: number; domain: string; ssl: boolean }[],
  resolver: string | null = null,
) => JSON.parse([...traefikDocument(resources, 'http://edge:8080', resolver)].join(''));

describe("the document of Traefik's HTTP provider", () => {
  it('has a router for each host, with TLS, and one service', () => {
    expect(
      documentOf(
        [
          { resourceId: 1, domain: 'app.example.com', ssl: true },
          { resourceId: 2, domain: '*.apps.example.com', ssl: false },
        ],
        'letsencrypt',
      ),
    ).toEqual({
      http: {
        routers: {
          'gatehouse-1': {
            rule: 'Host(`app.example.com`)',
            service: 'gatehouse',
            middlewares: ['gatehouse'],
            tls: { certResolver: 'letsencrypt' },
          },
          'gatehouse-2': {
            rule: 'HostRegexp(`^[^.]+\\.apps\\.example\\.com$`)',
            service: 'gatehouse',
            middlewares: ['gatehouse'],
            priority: 1,
            tls: { certResolver: 'letsencrypt' },
          },
          'gatehouse-2-plain': {
            rule: 'HostRegexp(`^[^.]+\\.apps\\.example\\.com$`)',
            service: 'gatehouse',
            middlewares: ['gatehouse'],
            priority: 1,
          },
        },
        middlewares: { gatehouse: { headers: { customRequestHeaders: { Forwarded: '', 'X-Request-Id': '' } } } },
        services: { gatehouse: { loadBalancer: { passHostHeader: true, servers: [{ url: 'http://edge:8080' }] } } },
      },
    });
  });

  it('is {} without a host, and whole with a hundred thousand, in parts', () => {
    expect(documentOf([])).toEqual({});
    const many = Array.from({ length: 100_000 }, (_, i) => ({ resourceId: i, domain: `h${i}.example.com`, ssl: true }));
    const parts = [...traefikDocument(many, 'http://edge:8080', null)];
    expect(Math.max(...parts.map(({ length }) => length))).toBeLessThan(100_000);
    expect(Object.keys(JSON.parse(parts.join('')).http.routers)).toHaveLength(100_000);
  });
});
