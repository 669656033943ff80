// @ts-check
// Whether this machine has a place for a server. Plain Node, since `npm start` asks before anything is installed.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createSecureContext } from 'node:tls';
import { runningServers } from './pid-file.mjs';

/**
 * @typedef {object} Place
 * @property {string} dataDir
 * @property {boolean} embedded whether the database is the one in DATA_DIR, which serves one server
 * @property {string} host
 * @property {number} port
 * @property {number} [edgePort] where it must be this one
 * @property {number} [deviceTlsPort]
 * @property {number} [metricsPort]
 * @property {{ certFile: string, keyFile: string }} [tls]
 */

/**
 * What stands in the way of a server there, in sentences for the operator.
 *
 * @param {Place} place
 * @returns {Promise<string[]>}
 */
export async function placeProblems({ dataDir, embedded, host, port, edgePort, deviceTlsPort, metricsPort, tls }) {
  const running = runningServers(dataDir).find((server) => embedded || server.port === port);
  if (running) {
    return [
      `Gatehouse is running already on ${dataDir}, as process ${running.pid} on port ${running.port}; stop it (kill ${running.pid}), or give this one a PORT and a DATA_DIR of its own.`,
    ];
  }
  const ports = await Promise.all([
    portProblem('PORT', host, port),
    edgePort === undefined ? undefined : portProblem('EDGE_PORT', host, edgePort),
    deviceTlsPort === undefined ? undefined : portProblem('DEVICE_TLS_PORT', host, deviceTlsPort),
    metricsPort === undefined ? undefined : portProblem('METRICS_PORT', host, metricsPort),
  ]);
  return [...ports, tls && keyPairProblem(tls)].flatMap((problem) => problem ?? []);
}

/**
 * @param {string} name
 * @param {string} host
 * @param {number} port
 * @returns {Promise<string | undefined>}
 */
async function portProblem(name, host, port) {
  const probe = createServer();
  /** @type {NodeJS.ErrnoException | undefined} */
  const error = await new Promise((done) => {
    probe.once('error', done);
    probe.listen(port, host, () => probe.close(() => done(undefined)));
  });
  if (!error) return undefined;
  /** @type {Record<string, string>} */
  const why = {
    EADDRINUSE: `${name} ${port} is in use by another program on ${host}; stop that one or set another ${name}.`,
    EACCES: `${name} ${port} may not be opened by this user; set a ${name} above 1023.`,
    EADDRNOTAVAIL: `HOST ${host} is not an address of this machine.`,
    ENOTFOUND: `HOST ${host} is not known to this machine.`,
  };
  return why[error.code ?? ''] ?? `${name} ${port} cannot be opened on ${host}: ${error.message}.`;
}

/**
 * @param {{ certFile: string, keyFile: string }} files
 * @returns {string | undefined}
 */
function keyPairProblem({ certFile, keyFile }) {
  try {
    createSecureContext({ cert: readFileSync(certFile), key: readFileSync(keyFile) });
    return undefined;
  } catch (error) {
    return `TLS_CERT_FILE and TLS_KEY_FILE do not make a usable pair: ${/** @type {Error} */ (error).message}.`;
  }
}
