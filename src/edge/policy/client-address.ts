import { plainAddress } from '#platform';

/**
 * Whose address a request is from: that of the socket, unless it belongs to a proxy of TRUST_PROXY; then the last of `X-Forwarded-For`
 * that belongs to none. What is no address there is where trust ends.
 *
 * @param trusts whether an address is one of TRUST_PROXY (`trustedProxies`)
 */
export function clientAddress(
  peer: string,
  rawHeaders: readonly string[],
  trusts: (address: string) => boolean,
): { client: string; trusted: boolean } {
  let client = plainAddress(peer) ?? peer;
  const trusted = trusts(client);
  if (!trusted) return { client, trusted };
  for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
    if (rawHeaders[i]!.length !== 15 || rawHeaders[i]!.toLowerCase() !== 'x-forwarded-for') continue;
    const list = rawHeaders[i + 1]!;
    for (let end = list.length; end >= 0; ) {
      const comma = end === 0 ? -1 : list.lastIndexOf(',', end - 1);
      const address = addressIn(list.slice(comma + 1, end));
      if (address === null) return { client, trusted };
      client = address;
      if (!trusts(client)) return { client, trusted };
      end = comma;
    }
  }
  return { client, trusted };
}

/** As proxies write them: also with a port, an IPv6 address then in brackets. */
function addressIn(text: string): string | null {
  const given = text.trim();
  if (given.length > 60) return null;
  if (given.startsWith('[')) return plainAddress(given.slice(1, given.indexOf(']')));
  const colon = given.indexOf(':');
  const hasPort = colon > 0 && given.indexOf(':', colon + 1) < 0;
  return plainAddress(hasPort ? given.slice(0, colon) : given);
}

/** What a trusted proxy says of how it was asked; undefined where it says nothing that is known. */
export function forwardedScheme(rawHeaders: readonly string[]): 'http' | 'https' | undefined {
  for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
    if (rawHeaders[i]!.length !== 17 || rawHeaders[i]!.toLowerCase() !== 'x-forwarded-proto') continue;
    const list = rawHeaders[i + 1]!;
    const scheme = list
      .slice(list.lastIndexOf(',') + 1)
      .trim()
      .toLowerCase();
    return scheme === 'http' || scheme === 'https' ? scheme : undefined;
  }
  return undefined;
}
