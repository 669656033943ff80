import type { Config } from '#platform';

/**
 * Where a browser finds a resource: where the edge ends TLS itself at its ports, behind a proxy that does at the usual ones, else at EDGE_PORT.
 * @returns null where there is nothing to open: of raw resources, wildcards, and those without a name
 */
export function urlOf(
  { edge, http }: Pick<Config, 'edge' | 'http'>,
  of: { http: boolean; fullDomain: string | null; wildcard: boolean; ssl: boolean },
): string | null {
  if (!of.http || of.fullDomain === null || of.wildcard) return null;
  const isBehindTls = http.publicUrl.protocol === 'https:' && http.tls === undefined;
  const secure = of.ssl && (edge.tlsPort !== undefined || isBehindTls);
  const [scheme, usual, own] = secure
    ? ['https', 443, edge.tlsPort]
    : ['http', 80, isBehindTls ? undefined : edge.port];
  return `${scheme}://${of.fullDomain}${own === undefined || own === usual ? '' : `:${own}`}`;
}
