import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { answerInTurn } from '../../libs/platform/http/pipelining.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/server.js';

let database: TestDatabase;
let app: StartedApp;
beforeAll(async () => {
  database = await createTestDatabase();
  app = await startApp(database.url);
});
afterAll(async () => {
  await app?.close();
  await database?.drop();
});

/** Sends it all in one packet. @returns what came back until the connection ended. */
function send(text: string): Promise<string> {
  const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.on('error', () => undefined);
  socket.write(text);
  return new Promise((done) => socket.once('close', () => done(answer)));
}
const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
const statuses = (answer: string): string[] => [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => match[1]!);

it('answers what was sent ahead, in its order', async () => {
  const body = '{"newtId":"x","secret":"y"}';
  const post = `POST /api/v1/auth/newt/get-token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const paths = Array.from({ length: 20 }, (_, i) => (i % 2 ? get('/nowhere') : get('/healthz')));
  const answer = await send([...paths, post, get('/healthz', 'Connection: close\r\n')].join(''));
  expect(statuses(answer)).toEqual([...paths.map((_, i) => (i % 2 ? '404' : '200')), '401', '200']);
});

it('closes a connection that sends thousands ahead, having begun few of them', async () => {
  const answer = await send(get('/healthz').repeat(5000));
  expect(statuses(answer).length).toBeLessThanOrEqual(65);
  expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
});

it('begins one request of a connection in a turn of the event loop', async () => {
  const perTurn: number[] = [];
  const server = createServer((_request, response) => {
    perTurn[perTurn.length - 1]!++;
    response.end();
  });
  answerInTurn(server);
  const turn = (): void => {
    perTurn.push(0);
    if (server.listening) setImmediate(turn);
  };
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  turn();
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.write(get('/').repeat(60));
  await until(() => statuses(answer).length === 60);
  socket.destroy();
  server.close();
  expect(Math.max(...perTurn)).toBe(1);
  expect(perTurn.reduce((sum, n) => sum + n, 0)).toBe(60);
});
