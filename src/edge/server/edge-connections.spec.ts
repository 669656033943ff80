import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, it, vi } from 'vitest';
import { EdgeConnections } from './edge-connections.js';

const socketFrom = (remoteAddress: string) =>
  Object.assign(new EventEmitter(), { remoteAddress, destroy: vi.fn() }) as unknown as Socket;
const connections = () => new EdgeConnections((address) => address === '192.0.2.1', { all: 5, ofAddress: 2 });

it('of one address are bounded, of an IPv6 network together, and make room when they close', () => {
  const held = connections();
  const first = socketFrom('2001:db8::1');
  expect([first, socketFrom('2001:db8::2')].map((socket) => held.enter(socket))).toEqual([true, true]);
  const third = socketFrom('2001:db8::3');
  expect(held.enter(third)).toBe(false);
  expect(third.destroy).toHaveBeenCalledOnce();
  expect(held.enter(socketFrom('198.51.100.7'))).toBe(true);
  first.emit('close');
  expect(held.enter(socketFrom('2001:db8::4'))).toBe(true);
  expect(held.open.size).toBe(3);
});

it('of a trusted proxy are bounded as all are', () => {
  const held = connections();
  const taken = Array.from({ length: 6 }, () => held.enter(socketFrom('192.0.2.1')));
  expect(taken).toEqual([true, true, true, true, true, false]);
});
