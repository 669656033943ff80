import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isCopied, learnt, machineFingerprint, storedFingerprint } from './machine.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-machine-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

function machine(): void {
  put('etc/machine-id', '0123456789abcdef0123456789abcdef\n');
  put('sys/class/dmi/id/product_uuid', '4C4C4544-0042-3510-8052-B4C04F564433\n');
  put('sys/class/net/eth0/address', '00:0c:29:ab:cd:ef\n');
  put('sys/class/net/eth0/addr_assign_type', '0\n');
}

describe.runIf(process.platform === 'linux')('the fingerprint of a machine', () => {
  it('is made of machine id, product UUID and lowest permanent MAC address, and shows none of them', () => {
    machine();
    const fingerprint = machineFingerprint(root);
    expect(Object.keys(fingerprint)).toEqual(['machineId', 'productUuid', 'mac']);
    expect(JSON.stringify(fingerprint)).not.toMatch(/0123456789abcdef0123|4c4c4544|00:0c/i);
    expect(machineFingerprint(root)).toEqual(fingerprint);
  });

  it('leaves out what is missing, unreadable, or left blank by a vendor', () => {
    put('etc/machine-id', 'uninitialized\n');
    put('sys/class/dmi/id/product_uuid', '03000200-0400-0500-0006-000700080009\n');
    expect(machineFingerprint(root)).toEqual({});
  });

  it.each(['.dockerenv', 'run/.containerenv', 'var/run/secrets/kubernetes.io/serviceaccount/token'])(
    'is empty in a container, which %s shows: its volume may be moved',
    (mark) => {
      machine();
      put(mark, '');
      expect(machineFingerprint(root)).toEqual({});
    },
  );

  it('is empty in a container that its first process knows of', () => {
    machine();
    for (const variable of ['container=lxc', 'KUBERNETES_SERVICE_HOST=10.0.0.1']) {
      put('proc/1/environ', `PATH=/bin\0${variable}\0`);
      expect(machineFingerprint(root)).toEqual({});
    }
  });
});

describe('a state was copied', () => {
  const a = { machineId: 'a', productUuid: 'a', mac: 'a' };
  it.each([
    ['all facts differ', a, { machineId: 'b', productUuid: 'b', mac: 'b' }, true],
    ['all that are on both sides differ', a, { machineId: 'b' }, true],
    ['a new network card', a, { ...a, mac: 'b' }, false],
    ['a disk in another machine', a, { machineId: 'a', productUuid: 'b', mac: 'b' }, false],
    ['a machine set up again', a, { machineId: 'b', productUuid: 'a', mac: 'a' }, false],
    ['no fact is on both sides', { machineId: 'a' }, { mac: 'b' }, false],
    ['nothing was stored', {}, a, false],
    ['nothing is known here', a, {}, false],
  ])('%s', (_what, stored, here, copied) => {
    expect(isCopied(stored, here)).toBe(copied);
  });

  it('is judged by what is stored as text', () => {
    expect(storedFingerprint({ fingerprint: { machineId: 'a', mac: 7, other: 'x' } })).toEqual({ machineId: 'a' });
    expect(storedFingerprint({ fingerprint: 'a' })).toEqual({});
  });

  it('learns what changed and keeps what cannot be read today', () => {
    expect(learnt(a, { machineId: 'a', mac: 'b' })).toEqual({ machineId: 'a', productUuid: 'a', mac: 'b' });
  });
});
