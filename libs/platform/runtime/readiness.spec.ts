import { expect, it } from 'vitest';
import { databaseAway, databaseFull } from '../errors.js';
import { Readiness } from './readiness.js';

it('asks everybody, and tells what is degraded beside what is well', async () => {
  const readiness = new Readiness();
  expect(await readiness.ask()).toEqual({});
  readiness.register('database', () => Promise.resolve('ok'));
  readiness.register('eventFeed', () => ({ degraded: 'held back' }));
  expect(await readiness.ask()).toEqual({ database: 'ok', eventFeed: 'held back' });
});

it('is the error of the first that is not ready, in the order in which they registered', async () => {
  const readiness = new Readiness();
  const away = databaseAway();
  readiness.register('feed', () => ({ degraded: 'held back' }));
  readiness.register('database', async () => ({ notReady: away }));
  readiness.register('disk', () => ({ notReady: databaseFull() }));
  await expect(readiness.ask()).rejects.toBe(away);
});
