import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { SiteIdentity } from './credential-standing.js';
import { TlsConnections } from './tls-connections.service.js';
import type { ConnectedCredential } from './tls-credentials.repository.js';

class FakeSocket extends EventEmitter {
  destroyed = false;

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

let connections: TlsConnections;
afterEach(() => connections.onApplicationShutdown());

/** With a database that answers so. */
function start(connected: (credentialIds: number[]) => Promise<ConnectedCredential[]>): void {
  const notifications = { on: () => undefined, onReconnected: () => undefined };
  const repository = { connected: (_: unknown, ids: number[]) => connected(ids) };
  connections = new TlsConnections({ manager: {} } as never, repository as never, notifications as never);
  connections.onApplicationBootstrap();
}
function open(credentialId: number): FakeSocket {
  const socket = new FakeSocket();
  connections.track(socket as unknown as Socket, { siteId: credentialId, credentialId } as SiteIdentity);
  return socket;
}

it('an end that is known is kept while the database does not answer', async () => {
  const asked: number[] = [];
  start(async (ids) => {
    asked.push(...ids);
    return ids.includes(2)
      ? new Promise(() => undefined)
      : ids.map((credentialId) => ({ credentialId, endsIn: 1_500 }));
  });
  const first = open(1);
  await expect.poll(() => asked, { timeout: 10_000 }).toEqual([1]);
  const second = open(2);
  await expect.poll(() => asked, { timeout: 10_000 }).toEqual([1, 2]);
  expect(first.destroyed).toBe(false);
  await expect.poll(() => first.destroyed, { timeout: 10_000 }).toBe(true);
  expect(second.destroyed).toBe(false);
});

it('who has no end stays open, and who is nobody any more does not', async () => {
  start(async () => [{ credentialId: 1, endsIn: null }]);
  const [kept, gone] = [open(1), open(2)];
  await expect.poll(() => gone.destroyed, { timeout: 10_000 }).toBe(true);
  expect(kept.destroyed).toBe(false);
});
