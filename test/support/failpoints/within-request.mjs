// Failpoint "within-request": SIGKILL at a step of a certain request, whatever else the server does at that moment. Loaded into a test server or
// the admin command with --import; production builds have no failpoints. Armed by the file FAILPOINT_FILE, JSON:
//   request  "POST /api/v1/…" without its query, or "admin" for the command
//   at       a number: before its n-th statement; "answer": before its answer leaves; other text: before a statement that begins so
//   pid      who dies instead of this process, such as PostgreSQL
// The first such request that gets there does it, and removes the file.
import 'reflect-metadata';
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { readFileSync, unlinkSync } from 'node:fs';
import { Server } from 'node:http';
import { Server as TlsServer } from 'node:https';
import pg from 'pg';
import { requiredEnv } from '../required-env.mjs';

const file = requiredEnv('FAILPOINT_FILE');
const requests = new AsyncLocalStorage();

function armedFor(request) {
  try {
    const armed = JSON.parse(readFileSync(file, 'utf8'));
    return armed.request === request ? { ...armed, statements: 0 } : undefined;
  } catch {
    return undefined;
  }
}

function die(armed) {
  armed.at = undefined;
  unlinkSync(file);
  process.kill(armed.pid ?? process.pid, 'SIGKILL');
}

const client = /** @type {any} */ (pg.Client.prototype);
const { query } = client;
client.query = function (config, ...rest) {
  const armed = requests.getStore();
  if (armed) {
    armed.statements++;
    const text = typeof config === 'string' ? config : (config?.text ?? '');
    if (armed.at === armed.statements || (typeof armed.at === 'string' && text.trimStart().startsWith(armed.at)))
      die(armed);
  }
  return query.call(this, config, ...rest);
};

// Who waits for a connection is called by whoever gives one back.
const pool = /** @type {any} */ (pg.Pool.prototype);
const { connect } = pool;
pool.connect = function (callback) {
  return connect.call(this, callback && AsyncResource.bind(callback));
};

for (const { prototype } of [Server, TlsServer]) {
  const server = /** @type {any} */ (prototype);
  const { emit } = server;
  server.emit = function (event, ...args) {
    const [message, response] = args;
    const armed = event === 'request' ? armedFor(`${message.method} ${message.url.split('?')[0]}`) : undefined;
    if (!armed) return emit.call(this, event, ...args);
    return requests.run(armed, () => {
      // The body arrives by the connection, which knows of no request.
      const { on } = message;
      message.on = (name, listener) => on.call(message, name, AsyncResource.bind(listener));
      const { writeHead } = response;
      response.writeHead = (...head) => {
        if (armed.at === 'answer') die(armed);
        return writeHead.apply(response, head);
      };
      return emit.call(this, event, ...args);
    });
  };
}

const { AdminCommands } = await import(new URL('../../../dist/src/first-run/admin-commands.js', import.meta.url).href);
const { run } = AdminCommands.prototype;
AdminCommands.prototype.run = function (...args) {
  const armed = armedFor('admin');
  return requests.run(armed, async () => {
    const text = await run.apply(this, args);
    if (armed?.at === 'answer') die(armed);
    return text;
  });
};
