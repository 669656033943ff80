import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkHardwareId, isPlaceholder, machineHardwareId } from './hardware-id.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-hw-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

function card(name: string, address: string, assigned: string): void {
  put(`sys/class/net/${name}/address`, `${address}\n`);
  put(`sys/class/net/${name}/addr_assign_type`, `${assigned}\n`);
}

const UUID = '4c4c4544-0042-3510-8051-b9c04f4e4d32';

describe('--hardware-id machine', () => {
  it('takes the first usable source', () => {
    put('etc/machine-id', 'f00dfeedf00dfeedf00dfeedf00dfeed\n');
    expect(machineHardwareId(root)).toBe('f00dfeedf00dfeedf00dfeedf00dfeed');
    card('eth0', '3c:ec:ef:00:00:02', '0');
    card('eth1', '3c:ec:ef:00:00:01', '0');
    expect(machineHardwareId(root)).toBe('3c:ec:ef:00:00:01');
    put('proc/device-tree/serial-number', '10000000abcdef01\0');
    expect(machineHardwareId(root)).toBe('10000000abcdef01');
    put('sys/class/dmi/id/board_serial', 'SN-77\n');
    expect(machineHardwareId(root)).toBe('SN-77');
    put('sys/class/dmi/id/product_uuid', `${UUID}\n`);
    expect(machineHardwareId(root)).toBe(UUID);
  });

  it('skips placeholders and addresses that are not burnt in', () => {
    put('sys/class/dmi/id/product_uuid', '03000200-0400-0500-0006-000700080009\n');
    put('sys/class/dmi/id/board_serial', 'To Be Filled By O.E.M.\n');
    card('docker0', '02:42:ac:11:00:02', '0');
    card('wlan0', '3c:ec:ef:00:00:03', '1');
    card('lo', '00:00:00:00:00:00', '0');
    put('etc/machine-id', 'uninitialized\n');
    put('var/lib/dbus/machine-id', 'abcdef\n');
    expect(machineHardwareId(root)).toBe('abcdef');
  });

  it('says so when there is none', () => {
    mkdirSync(join(root, 'sys/class/net'), { recursive: true });
    expect(() => machineHardwareId(root)).toThrow(expect.objectContaining({ code: 78 }));
  });
});

it.each([
  '',
  '  ',
  '00000000-0000-0000-0000-000000000000',
  'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
  'None',
  'Default string',
  '........',
  'xxxx',
])('%j names no machine', (text) => {
  expect(isPlaceholder(text)).toBe(true);
});

it('takes 1 to 128 printable ASCII characters as they are', () => {
  expect(checkHardwareId('AA:BB:cc 01')).toBe('AA:BB:cc 01');
  expect(checkHardwareId('x'.repeat(128))).toHaveLength(128);
  for (const bad of ['', 'x'.repeat(129), 'tür', 'a\nb'])
    expect(() => checkHardwareId(bad)).toThrow(expect.objectContaining({ code: 78 }));
});
