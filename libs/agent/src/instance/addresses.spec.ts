import { describe, expect, it } from 'vitest';
import { checkHost, ForbiddenAddress, guarded, isForbidden } from './addresses.js';

describe('addresses that bundles may not lead to', () => {
  it.each([
    'http://169.254.169.254/',
    'http://169.254.0.1:8080/',
    'http://2852039166/',
    'http://0xa9fea9fe/',
    'http://0251.0376.0251.0376/',
    'http://[fe80::1]/',
    'http://[febf::1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://[::169.254.169.254]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://[64:ff9b:1::a9fe:a9fe]/',
    'http://[::ffff:0:a9fe:a9fe]/',
    'http://[2002:a9fe:a9fe::1]/',
    'http://[fd00:ec2::254]/',
    'http://[fd20:ce::254]/',
    'http://168.63.129.16/',
    'http://100.100.100.200/',
    'http://0.0.0.0/',
    'http://0/',
    'http://[::]/',
    'http://[::ffff:0.0.0.0]/',
  ])('%s is one', (url) => {
    expect(() => checkHost(new URL(url))).toThrow(ForbiddenAddress);
  });

  it.each([
    'http://127.0.0.1/',
    'http://[::1]/',
    'http://169.253.255.255/',
    'http://169.255.0.0/',
    'http://10.0.0.1/',
    'http://[fec0::1]/',
    'http://[fd00:ec2::255]/',
    'http://[2002:a9ff::1]/',
    'http://[64:ff9b::808:808]/',
    'http://169.254.169.254.example.com/',
  ])('%s is none', (url) => {
    expect(() => checkHost(new URL(url))).not.toThrow();
  });

  it('one with a zone is one', () => expect(isForbidden('fe80::1%eth0')).toBe(true));
});

describe('resolving for a connection', () => {
  const answering = (...addresses: string[]) =>
    guarded(((_: string, __: unknown, done: (error: null, found: { address: string; family: number }[]) => void) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )) as never);
  const resolved = (lookup: ReturnType<typeof guarded>, all: boolean) =>
    new Promise((resolve) => lookup('name', { all }, (...answer) => resolve(answer)));

  it('leaves out what is forbidden', async () => {
    const lookup = answering('169.254.169.254', '192.0.2.1', 'fe80::1');
    expect(await resolved(lookup, true)).toEqual([null, [{ address: '192.0.2.1', family: 4 }]]);
    expect(await resolved(lookup, false)).toEqual([null, '192.0.2.1', 4]);
  });

  it('fails when nothing is left', async () => {
    expect(await resolved(answering('169.254.169.254'), true)).toEqual([expect.any(ForbiddenAddress), '', 0]);
  });
});
