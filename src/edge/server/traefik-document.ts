import type { RouteSettings } from '../routing/route-table.js';

const SHARED = { service: 'gatehouse', middlewares: ['gatehouse'] };
/** What the edge believes of Traefik, and Traefik would pass on from visitors; an empty text takes a field away. */
const UNHEARD = { headers: { customRequestHeaders: { Forwarded: '', 'X-Request-Id': '' } } };
/** Routers of one part of the text. */
const PART = 500;

/**
 * The document of Traefik's HTTP provider (Traefik 3): a router for each host, all to the edge.
 * @param edge its address, as Traefik reaches it
 * @param resolver who gets the certificates; null: Traefik's own choice
 * @returns the JSON text in parts, so that a hundred thousand hosts are never in memory at once
 */
export function* traefikDocument(
  resources: Iterable<Pick<RouteSettings, 'resourceId' | 'domain' | 'ssl'>>,
  edge: string,
  resolver: string | null,
): Generator<string> {
  const tls = resolver ? { certResolver: resolver } : {};
  let text = '';
  let routers = 0;
  for (const { resourceId, domain, ssl } of resources) {
    const router = { rule: ruleOf(domain), ...SHARED, ...(domain.startsWith('*.') ? { priority: 1 } : {}) };
    text += `${routers > 0 ? ',' : '{"http":{"routers":{'}"gatehouse-${resourceId}":${JSON.stringify({ ...router, tls })}`;
    // Without TLS as well, where the resource does not ask for it.
    if (!ssl) text += `,"gatehouse-${resourceId}-plain":${JSON.stringify(router)}`;
    if (++routers % PART > 0) continue;
    yield text;
    text = '';
  }
  // Traefik takes no empty list of routers.
  if (routers === 0) return yield '{}';
  const service = { loadBalancer: { passHostHeader: true, servers: [{ url: edge }] } };
  const rest = JSON.stringify({ middlewares: { gatehouse: UNHEARD }, services: { gatehouse: service } });
  yield `${text}},${rest.slice(1)}}`;
}

/** A name before what covers it: a wildcard has the lowest priority, a name that of its length. */
const ruleOf = (domain: string): string =>
  domain.startsWith('*.')
    ? `HostRegexp(\`^[^.]+\\.${domain.slice(2).replaceAll('.', '\\.')}$\`)`
    : `Host(\`${domain}\`)`;
