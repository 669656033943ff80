import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { FileContent } from '../config/config-file.js';
import { isContainer } from './container.js';
import { isPlaceholder, lowestPermanentMac, readText } from './hardware-id.js';

/** By what a machine is known again. Each is a hash: a state file that is shown to somebody tells nothing of the machine. */
const FACTS = ['machineId', 'productUuid', 'mac'] as const;
export type Fingerprint = Partial<Record<(typeof FACTS)[number], string>>;

/** Key of the fingerprint in the config file. */
export const FINGERPRINT_KEY = 'fingerprint';

/**
 * The fingerprint of this machine: machine id, DMI product UUID, lowest permanent MAC address, as far as there are any. Empty in a
 * container, whose state lives in a volume that may move, and off Linux, where none of them stays (docs/adr/0031-copied-state.md).
 * @param root file system root, for tests
 */
export function machineFingerprint(root: string): Fingerprint {
  if (process.platform !== 'linux' || isContainer(root)) return {};
  const found = {
    machineId: readText(join(root, 'etc/machine-id')) || readText(join(root, 'var/lib/dbus/machine-id')),
    productUuid: readText(join(root, 'sys/class/dmi/id/product_uuid')),
    mac: lowestPermanentMac(root),
  };
  const fingerprint: Fingerprint = {};
  for (const fact of FACTS) {
    const value = found[fact]?.toLowerCase();
    if (value !== undefined && !isPlaceholder(value)) fingerprint[fact] = hash(fact, value);
  }
  return fingerprint;
}

/** The fingerprint that a state file holds; empty when there is none. */
export function storedFingerprint(content: FileContent): Fingerprint {
  const stored = content[FINGERPRINT_KEY];
  if (typeof stored !== 'object' || stored === null) return {};
  const facts = stored as Record<string, unknown>;
  return Object.fromEntries(FACTS.filter((fact) => typeof facts[fact] === 'string').map((fact) => [fact, facts[fact]]));
}

/** Whether a state was copied from another machine: there are facts on both sides, and all of them differ. */
export function isCopied(stored: Fingerprint, here: Fingerprint): boolean {
  const both = FACTS.filter((fact) => stored[fact] !== undefined && here[fact] !== undefined);
  return both.length > 0 && both.every((fact) => stored[fact] !== here[fact]);
}

/** What to store of a machine that is known again: what changed is learnt, what cannot be read today is kept. */
export function learnt(stored: Fingerprint, here: Fingerprint): Fingerprint {
  return { ...stored, ...here };
}

function hash(fact: string, value: string): string {
  return createHash('sha256').update(`gatehouse ${fact} ${value}`).digest('hex').slice(0, 32);
}
