import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { selfSigned } from './certificate.js';
import { freePort, type ServerOptions, startServer, type TestServer, until } from './server.js';
import { TestSession } from './session.js';

/** A server with a listener for machines, whose certificate nobody has signed. */
export interface TlsServer {
  server: TestServer;
  devicePort: number;
  /** Which clients may take for their authority. */
  certFile: string;
  metrics(): Promise<string>;
  /** Gives it another certificate, which then both ports show. */
  renew(serialNumber: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startTlsServer(options: ServerOptions = {}): Promise<TlsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-tls-'));
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const write = async (serialNumber: string): Promise<void> => {
    const { cert, key } = await selfSigned(serialNumber);
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key);
  };
  await write('0a');
  const [devicePort, metricsPort] = [await freePort(), await freePort()];
  const server = await startServer({
    ...options,
    env: {
      TLS_CERT_FILE: certFile,
      TLS_KEY_FILE: keyFile,
      DEVICE_TLS_PORT: String(devicePort),
      METRICS_PORT: String(metricsPort),
      ...options.env,
    },
  });
  return {
    server,
    devicePort,
    certFile,
    async renew(serialNumber) {
      await write(serialNumber);
      for (const port of [devicePort, server.port])
        await until(async () => {
          const socket = await connectTls(port);
          const shown = socket.getPeerCertificate().serialNumber;
          socket.destroy();
          return shown === serialNumber.toUpperCase();
        });
    },
    metrics: async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a client proves itself with, and how it speaks TLS. */
export type TlsOptions = Pick<
  ConnectionOptions,
  'cert' | 'key' | 'pskCallback' | 'ciphers' | 'minVersion' | 'maxVersion' | 'session' | 'servername'
>;

/** One that takes any server. */
const ANY_SERVER = { host: '127.0.0.1', rejectUnauthorized: false, checkServerIdentity: () => undefined } as const;

/** A connection whose handshake has ended. @throws what ended it otherwise */
export async function connectTls(port: number, options: TlsOptions = {}): Promise<TLSSocket> {
  const socket = connect({ ...ANY_SERVER, port, ...options });
  await once(socket, 'secureConnect');
  return socket.on('error', () => undefined);
}

export interface TlsReply {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  /** JSON, parsed. */
  body: Record<string, unknown>;
  text: string;
}

export interface Asking extends TlsOptions {
  method?: string;
  headers?: Record<string, string | string[]>;
  /** Sent as it is, or as JSON; with POST unless there is another method. */
  body?: string | object;
  /** A connection that is there; it stays open with `connection: keep-alive`. */
  on?: TLSSocket;
}

/** One request on a connection of its own, or on one that is there. */
export function ask(port: number, path: string, options: Asking = {}): Promise<TlsReply> {
  const { on, body, headers = {}, ...rest } = options;
  const connection = on ? { createConnection: () => on } : { agent: false as const };
  const content = typeof body === 'object' ? JSON.stringify(body) : body;
  const sending = {
    ...(content === undefined ? {} : { method: 'POST' }),
    ...rest,
    headers: {
      ...(typeof body === 'object' ? { 'content-type': 'application/json' } : {}),
      // Where a method has a body only now and then, Node does not say how long it is.
      ...(content === undefined ? {} : { 'content-length': String(Buffer.byteLength(content)) }),
      ...headers,
    },
  };
  return new Promise((done, failed) => {
    const sent = request({ ...ANY_SERVER, port, path, ...connection, ...sending }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        const isJson = response.headers['content-type']?.includes('json');
        const answer = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
        done({ status: response.statusCode!, headers: response.headers, body: answer, text });
      });
    });
    sent.on('error', failed);
    sent.end(content);
  });
}

/** Asks for an upgrade. @returns the status, and after a 101 the connection */
export function askUpgrade(
  port: number,
  path: string,
  protocol: string,
  { headers = {}, ...tls }: TlsOptions & { headers?: Record<string, string | string[]> },
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; socket?: Socket }> {
  const upgrade = { ...headers, connection: 'Upgrade', upgrade: protocol };
  return new Promise((done, failed) => {
    const sent = request({ ...ANY_SERVER, port, path, agent: false, ...tls, headers: upgrade });
    sent.once('upgrade', ({ headers: told }, socket: Socket) => done({ status: 101, headers: told, socket }));
    sent.once('response', (response) => {
      response.resume();
      done({ status: response.statusCode!, headers: response.headers });
    });
    sent.once('error', failed).end();
  });
}

/** What a client with a pre-shared key says in its handshake. */
export const withPsk = (identity: string, psk: string): TlsOptions => ({
  pskCallback: () => ({ identity, psk: Buffer.from(psk, 'base64url') }),
});

/** Begins a session, by a header or else by what the connection proves. @throws Refused */
export function connectSession(
  port: number,
  options: TlsOptions & { headers?: Record<string, string>; createConnection?: () => TLSSocket },
): Promise<TestSession> {
  const url = `wss://127.0.0.1:${port}/api/v1/ws?clientType=newt`;
  return TestSession.over(new WebSocket(url, { perMessageDeflate: false, ...ANY_SERVER, ...options }));
}

/** Connects again with the session that a client was told of, once that was used for a while. @returns the second connection */
export async function resume(
  port: number,
  options: TlsOptions,
  use: (on: TLSSocket) => Promise<void>,
  again: TlsOptions = options,
): Promise<TLSSocket> {
  const first = await connectTls(port, options);
  let session: Buffer | undefined = first.getSession();
  // TLS 1.3 tells of sessions after the handshake.
  first.on('session', (newer: Buffer) => (session = newer));
  await use(first);
  first.destroy();
  return connectTls(port, { ...again, session: session! });
}

/** What `openssl s_client` prints that sends one request; undefined: this machine has no openssl. */
export function openssl(port: number, path: string, args: string[]): string | undefined {
  const request = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  const { error, stdout, stderr } = spawnSync(
    'openssl',
    ['s_client', '-ign_eof', '-connect', `127.0.0.1:${port}`, ...args],
    { input: request, encoding: 'utf8', timeout: 120_000 },
  );
  return error ? undefined : `${stdout}${stderr}`;
}
