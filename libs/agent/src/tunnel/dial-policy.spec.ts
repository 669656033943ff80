import { describe, expect, it } from 'vitest';
import type { AgentLists } from '../../../contracts/index.js';
import { readAllowed } from './allowed.js';
import { DialPolicy } from './dial-policy.js';

const LISTS: AgentLists = {
  targets: [
    { id: 1, protocol: 'tcp', host: '10.0.0.5', port: 80 },
    { id: 2, protocol: 'udp', host: '10.0.0.5', port: 53 },
    { id: 3, protocol: 'tcp', host: 'Web.Internal', port: 443 },
    { id: 4, protocol: 'tcp', host: 'localhost', port: 3000 },
    { id: 5, protocol: 'tcp', host: 'fd00::5', port: 80 },
  ],
  healthChecks: [{ targetId: 1, revision: 1, mode: 'http', host: '10.0.0.5', port: 8081 }],
  resources: [
    { id: 1, mode: 'host', destination: 'db.internal', tcpPorts: '5432,6000-6002', udpPorts: '' },
    { id: 2, mode: 'cidr', destination: '192.168.0.0/16', tcpPorts: '*', udpPorts: '53' },
    { id: 3, mode: 'cidr', destination: '127.0.0.0/8', tcpPorts: '*', udpPorts: '*' },
    { id: 4, mode: 'cidr', destination: '::/0', tcpPorts: '22', udpPorts: '' },
  ],
};

function policy(...allow: string[]): DialPolicy {
  const made = new DialPolicy(readAllowed(allow));
  made.apply(LISTS);
  return made;
}

describe('the state', () => {
  it.each([
    ['tcp', '10.0.0.5', 80, true],
    ['tcp', '10.0.0.5', 81, false],
    ['tcp', '10.0.0.5', 53, false],
    ['udp', '10.0.0.5', 53, true],
    ['udp', '10.0.0.5', 80, false],
    ['tcp', '10.0.0.5', 8081, true],
    ['tcp', 'web.internal', 443, true],
    ['tcp', 'WEB.INTERNAL', 443, true],
    ['tcp', 'web.internal.evil.example', 443, false],
    ['tcp', '[fd00::5]', 80, true],
    ['tcp', 'db.internal', 5432, true],
    ['tcp', 'db.internal', 6001, true],
    ['tcp', 'db.internal', 6003, false],
    ['udp', 'db.internal', 5432, false],
    ['tcp', '192.168.7.7', 9, true],
    ['udp', '192.168.7.7', 53, true],
    ['udp', '192.168.7.7', 54, false],
    ['tcp', '::ffff:192.168.7.7', 9, true],
    ['tcp', '192.169.0.1', 9, false],
    // A name is in no network, and a network never means this machine.
    ['tcp', 'inside.example', 22, false],
    ['tcp', '127.0.0.1', 9, false],
    ['tcp', '::ffff:127.0.0.1', 9, false],
    ['tcp', '::1', 22, false],
    ['tcp', '2001:db8::1', 22, true],
  ] as const)('%s %s:%d is listed: %s', (protocol, host, port, listed) => {
    expect(policy().lists({ protocol, host, port })).toBe(listed);
  });

  it('lists nothing before it has come', () => {
    expect(new DialPolicy([]).lists({ protocol: 'tcp', host: '10.0.0.5', port: 80 })).toBe(false);
  });
});

describe('an address', () => {
  const judged = (address: string, host = 'web.internal', allow: string[] = [], port = 443) =>
    policy(...allow).refusal({ protocol: 'tcp', host, port }, address) ?? 'dialed';

  it.each(['10.0.0.5', '192.0.2.1', 'fd00::5', '2001:db8::1', '::ffff:10.0.0.5', '169.253.255.255', 'fec0::1'])(
    '%s is dialed',
    (address) => {
      expect(judged(address)).toBe('dialed');
    },
  );

  it.each([
    '169.254.169.254',
    '169.254.0.1',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::a9fe:a9fe',
    '::ffff:0:a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    'fd00:ec2::254',
    'fd00:0ec2:0:0:0:0:0:254',
    'fd20:ce::254',
    '168.63.129.16',
    '100.100.100.200',
    '224.0.0.1',
    '239.255.255.255',
    'ff02::1',
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '255.255.255.255',
    '',
    'x',
    '1.2.3',
    '010.0.0.1',
  ])('%s is not', (address) => {
    expect(judged(address)).toBe('not_allowed');
  });

  it.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])(
    '%s is this machine, which only localhost and such an address itself mean',
    (address) => {
      expect(judged(address)).toBe('not_allowed');
      expect(judged(address, 'localhost')).toBe('dialed');
      expect(judged(address, 'LOCALHOST')).toBe('dialed');
      expect(judged(address, address)).toBe('dialed');
      expect(judged(address, 'localhost.example')).toBe('not_allowed');
    },
  );

  it.each([
    ['10.0.0.5', ['10.0.0.0/8'], 'dialed'],
    ['11.0.0.5', ['10.0.0.0/8'], 'not_allowed'],
    ['11.0.0.5', ['10.0.0.0/8', '11.0.0.5'], 'dialed'],
    ['10.0.0.5', ['10.0.0.0/8:443'], 'dialed'],
    ['10.0.0.5', ['10.0.0.0/8:80'], 'not_allowed'],
    ['10.0.0.5', ['10.0.0.0/8:400-500'], 'dialed'],
    ['::ffff:10.0.0.5', ['10.0.0.0/8'], 'dialed'],
    ['10.0.0.5', ['::ffff:10.0.0.0/104'], 'dialed'],
    ['10.0.0.5', ['::/0'], 'not_allowed'],
    ['fd00::5', ['[fd00::]/8:443'], 'dialed'],
    ['fd00::5', ['[fd00::/8]:80'], 'not_allowed'],
    ['fd00::5', ['0.0.0.0/0'], 'not_allowed'],
    // What is never dialed has to be named itself.
    ['169.254.169.254', ['0.0.0.0/0'], 'not_allowed'],
    ['169.254.169.254', ['169.254.169.254'], 'dialed'],
    ['169.254.169.254', ['169.254.169.254/32:80'], 'not_allowed'],
    ['169.254.169.254', ['169.254.0.0/16'], 'dialed'],
    ['fd00:ec2::254', ['fd00::/8'], 'not_allowed'],
    ['fd00:ec2::254', ['fd00:ec2::254'], 'dialed'],
    ['127.0.0.1', ['127.0.0.1'], 'not_allowed'],
  ] as const)('%s with --allow %s: %s', (address, allow, verdict) => {
    expect(judged(address, 'web.internal', [...allow])).toBe(verdict);
  });

  it.each([
    '10.0.0.0/33',
    '10.0.0/8',
    'web.internal',
    '10.0.0.0/8:',
    '10.0.0.0/8:0',
    '10.0.0.0/8:9-1',
    '10.0.0.0/8:65536',
    '',
  ])('--allow %j is refused', (text) => {
    expect(() => readAllowed([text])).toThrow(/is not a CIDR/);
  });
});
