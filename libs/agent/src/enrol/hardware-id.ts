import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { AGENT_LIMITS } from '../../../contracts/index.js';
import { misconfigured } from '../cli/exit-codes.js';

/** What vendors leave in a field that they did not fill. */
const PLACEHOLDERS = new Set([
  'to be filled by o.e.m.',
  'to be filled by oem',
  'default string',
  'default',
  'not specified',
  'not applicable',
  'not available',
  'none',
  'n/a',
  'na',
  'null',
  'unknown',
  'invalid',
  'empty',
  'oem',
  'o.e.m.',
  'system serial number',
  'base board serial number',
  'serial number',
  'uninitialized',
  '123456789',
  '1234567890',
  '0123456789',
  '03000200-0400-0500-0006-000700080009',
  '12345678-1234-5678-90ab-cddeefaabbcc',
  'fefefefe-fefe-fefe-fefe-fefefefefefe',
]);

/**
 * The machine's own stable id: the first usable of DMI product UUID, board or device-tree serial, lowest permanent MAC address, machine id
 * (docs/agent-protocol.md rule 19).
 * @param root file system root, for tests
 * @throws AgentExit 78 when the machine offers none
 */
export function machineHardwareId(root = '/'): string {
  const id =
    firstUsable(root, [
      'sys/class/dmi/id/product_uuid',
      'sys/class/dmi/id/board_serial',
      'sys/firmware/devicetree/base/serial-number',
      'proc/device-tree/serial-number',
    ]) ??
    lowestPermanentMac(root) ??
    firstUsable(root, ['etc/machine-id', 'var/lib/dbus/machine-id']);
  if (id === undefined) throw misconfigured('this machine has no usable hardware id: give --hardware-id VALUE');
  return id;
}

/**
 * @returns the id itself when it is 1-128 printable ASCII characters (docs/claims.md "Words")
 * @throws AgentExit 78
 */
export function checkHardwareId(id: string): string {
  if (!/^[\x20-\x7e]+$/.test(id) || id.length > AGENT_LIMITS.hardwareIdLength) {
    throw misconfigured(`the hardware id must be 1 to ${AGENT_LIMITS.hardwareIdLength} printable ASCII characters`);
  }
  return id;
}

/** True for text that names no machine: blank, a vendor's filler, or one character over and over. */
export function isPlaceholder(text: string): boolean {
  const plain = text.trim().toLowerCase();
  return plain === '' || PLACEHOLDERS.has(plain) || /^(.)\1*$/.test(plain.replace(/[^a-z0-9]/g, '') || 'x');
}

function firstUsable(root: string, paths: string[]): string | undefined {
  for (const path of paths) {
    const value = readText(join(root, path));
    if (value !== undefined && !isPlaceholder(value) && /^[\x20-\x7e]{1,128}$/.test(value)) return value;
  }
  return undefined;
}

/** The lowest of the addresses burnt into network cards.
 * @param root file system root, for tests */
export function lowestPermanentMac(root: string): string | undefined {
  const directory = join(root, 'sys/class/net');
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    if (process.platform === 'linux') return undefined;
    const addresses = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter((one) => !one.internal);
    return addresses
      .map((one) => one.mac)
      .filter(isUniversalMac)
      .sort()[0];
  }
  // addr_assign_type 0 is the address burnt in; bridges, containers and randomised radios have another.
  return names
    .filter((name) => readText(join(directory, name, 'addr_assign_type')) === '0')
    .map((name) => (readText(join(directory, name, 'address')) ?? '').toLowerCase())
    .filter(isUniversalMac)
    .sort()[0];
}

function isUniversalMac(mac: string): boolean {
  return (
    /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) &&
    !isPlaceholder(mac) &&
    (Number.parseInt(mac.slice(0, 2), 16) & 0b11) === 0
  );
}

/** A file of the system without zeros and blanks around it; undefined when it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').replace(/\0/g, '').trim();
  } catch {
    return undefined;
  }
}
