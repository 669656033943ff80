import { expect, it } from 'vitest';
import { readLists, readTunnel } from './lists.js';

it('what is offered of tunnels is read, and bounded', () => {
  expect(readTunnel({ connections: 2, endpoints: ['', 'https://a.example.com', 7] })).toEqual({
    connections: 2,
    endpoints: ['', 'https://a.example.com'],
  });
  expect(readTunnel({ connections: 1_000_000 })).toEqual({ connections: 8, endpoints: [] });
  for (const none of [undefined, null, 'yes', {}, { connections: 0 }, { connections: 1.5 }, { connections: '2' }])
    expect(readTunnel(none)).toBeUndefined();
});

it('of lists only what can be read is there', () => {
  const target = { id: 1, protocol: 'tcp', host: 'web.internal', port: 80 };
  const check = { targetId: 1, revision: 3, mode: 'http', host: 'web.internal', port: 80, path: '/up' };
  const resource = { id: 2, mode: 'cidr', destination: '10.0.0.0/8', tcpPorts: '*', udpPorts: '' };
  expect(
    readLists({
      targets: [
        target,
        null,
        'x',
        { ...target, port: 0 },
        { ...target, port: 65_536 },
        { ...target, protocol: 'icmp' },
      ],
      healthChecks: [check, { ...check, host: 7 }, { ...check, targetId: undefined }, { ...check, revision: '3' }],
      resources: [resource, { ...resource, mode: 'all' }, { ...resource, tcpPorts: undefined }],
    }),
  ).toEqual({ targets: [target], healthChecks: [check], resources: [resource] });
  expect(readLists({ targets: 'all', healthChecks: {} })).toEqual({ targets: [], healthChecks: [], resources: [] });
});
