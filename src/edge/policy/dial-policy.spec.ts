import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { readLocalTarget } from '#platform';
import { DialPolicy } from './dial-policy.js';

function policy(...entries: string[]): DialPolicy {
  return new DialPolicy(
    entries.map((entry) => {
      const read = readLocalTarget(entry);
      if ('problem' in read) throw new Error(read.problem);
      return read;
    }),
  );
}

describe('what the server dials for local sites', () => {
  it.each([
    ['acme=10.0.0.0/24:80', '10.0.0.7', 80],
    ['acme=10.0.0.0/24:80', '::ffff:10.0.0.7', 80],
    ['acme=10.0.0.7:8000-8999', '10.0.0.7', 8999],
    ['acme = 0.0.0.0/0 : *', '203.0.113.1', 65_535],
    ['acme=fd00::/8:443', 'fd00::1', 443],
    ['acme=[fd00::1]:443', 'fd00::1', 443],
    ['acme=[fd00::]/8:443', 'fd00::1', 443],
    ['acme=127.0.0.1:3000', '127.0.0.1', 3000],
  ])('%s allows %s %d', (entry, address, port) => {
    expect(policy(entry).refusal('acme', address, port)).toBeUndefined();
    expect(policy(entry).refusal('other', address, port)).toMatch(/LOCAL_TARGETS/);
    expect(policy(entry).orgIds).toEqual(['acme']);
  });

  it.each([
    ['10.0.1.1', 80],
    ['10.0.0.1', 81],
    ['10.0.0.1', 0],
    ['fd00::1', 80],
    ['localhost', 80],
  ])('nothing else: %s %d', (address, port) => {
    expect(policy('acme=10.0.0.0/24:80').refusal('acme', address, port)).toBeTypeOf('string');
  });

  it.each([
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    'fe80::1',
    'fe80::1%eth0',
    '224.0.0.1',
    '239.255.255.255',
    'ff02::1',
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '::ffff:0.0.0.0',
    '255.255.255.255',
    'fd00:ec2::254',
  ])('never %s', (address) => {
    expect(policy('acme=0.0.0.0/0:*', 'acme=::/0:*').refusal('acme', address, 80)).toMatch(/never/);
  });

  it('never its own listeners, under any address of the machine', () => {
    const all = policy('acme=0.0.0.0/0:*', 'acme=::/0:*');
    all.setOwn([
      { address: '0.0.0.0', port: 3000 },
      { address: '127.0.0.1', port: 5432 },
      { address: '10.1.2.3', port: 5433 },
    ]);
    const here = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ scopeid }) => !scopeid);
    for (const { address } of here) expect(all.refusal('acme', address, 3000)).toMatch(/never/);
    for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])
      expect(all.refusal('acme', address, 3000)).toMatch(/never/);
    for (const address of ['127.0.0.1', '127.8.8.8', '::1', ...here.map((one) => one.address)])
      expect(all.refusal('acme', address, 5432)).toMatch(/never/);
    expect(all.refusal('acme', '10.1.2.3', 5433)).toMatch(/never/);
    expect(all.refusal('acme', '198.51.100.1', 3000)).toBeUndefined();
    expect(all.refusal('acme', '127.0.0.1', 5433)).toBeUndefined();
  });
});

describe('LOCAL_TARGETS', () => {
  it.each([
    '',
    'acme',
    'acme=',
    '=10.0.0.0/8:80',
    'acme=10.0.0.0/8',
    'acme=10.0.0.0/8:',
    'acme=10.0.0.0/33:80',
    'acme=host:80',
    'acme=10.0.0.0/8:0',
    'acme=10.0.0.0/8:65536',
    'acme=10.0.0.0/8:90-80',
    'acme=10.0.0.0/8:80,81',
    'acme=10.0.0.0/8:http',
    'acme=fd00::1:443',
    'acme=:80',
  ])('say what is wrong with %j', (entry) => {
    expect(readLocalTarget(entry)).toEqual({ problem: expect.stringMatching(/./) });
  });
});
