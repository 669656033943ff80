import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;

beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

it('a connection that ends while nobody uses it, between its release and its next taker, ends nothing else', async () => {
  const pool = (app.get(DataSource).driver as unknown as { master: Pool }).master;
  const client = await pool.connect();
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  // Node throws an `error` event that has no listener, which ends the process; here vitest would report it.
  const ended = new Promise((done) => client.once('end', done));
  await app.sql('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
  await ended;
  await expect(client.query('SELECT 1')).rejects.toThrow();
  client.release();
  expect((await app.root.get('/orgs')).status).toBe(200);
});
