import type { Oddity } from '#contracts';
import { networkOf } from '#platform';

/** What is known of a key and its organization before a batch. */
export interface SeenBefore {
  /** Hardware ids, or nonces, that were tombstoned once and may claim again. */
  blockedBefore: Set<string>;
  /** The networks, of those that the batch comes from, that the key has made sites from. */
  networks: Set<string>;
  /** The key has made a site: its first one comes from a new network and is not odd. */
  used: boolean;
}

/** A claim that makes a site. */
export interface Newcomer {
  /** null: the site is named by what this server draws. */
  name: string | null;
  /** What its device may be tombstoned as. */
  devices: string[];
  address: string;
}

/**
 * What is odd about the claims of a batch, in their order (docs/claims.md rule 39); that a name is taken only as far as the batch itself takes it
 * twice.
 */
export function odditiesOf(newcomers: Newcomer[], seen: SeenBefore): Oddity[][] {
  const names = new Set<string>();
  const networks = new Set(seen.networks);
  let { used } = seen;
  return newcomers.map(({ name, devices, address }) => {
    const odd: Oddity[] = [];
    if (name !== null && names.has(name)) odd.push('name_taken');
    if (devices.some((id) => seen.blockedBefore.has(id))) odd.push('hardware_id_blocked_before');
    const network = networkOf(address);
    if (used && !networks.has(network)) odd.push('new_network');
    if (name !== null) names.add(name);
    networks.add(network);
    used = true;
    return odd;
  });
}
