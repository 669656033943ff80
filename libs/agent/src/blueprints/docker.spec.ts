import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { ManualClock } from '../../../../test/support/manual-clock.js';
import { followContainers } from './docker.js';
import { dockerAddress } from './docker-address.js';

let server: Server | undefined;
const stop = new AbortController();
afterEach(() => {
  stop.abort();
  server?.closeAllConnections();
  server?.close();
});

async function engine(answer: RequestListener) {
  server = createServer(answer);
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return dockerAddress(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

it('says that an engine does not answer, and asks it again', async () => {
  const clock = new ManualClock();
  const asked: string[] = [];
  // Takes requests and is silent.
  const docker = await engine((request) => asked.push(request.url ?? ''));
  const reasons: string[] = [];
  const told = {
    found: () => undefined,
    away: (reason: string) => reasons.push(reason),
    withoutEvents: () => undefined,
  };
  const following = followContainers({ clock, random: () => 0.5 }, docker, stop.signal, told);
  (await clock.next('docker-events')).wake();
  (await clock.next('docker-retry')).wake();
  await clock.next('docker-events');
  expect(reasons).toEqual(['it did not answer within 30 s when asked for events']);
  stop.abort();
  await following;
});
