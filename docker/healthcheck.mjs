// Whether the server of this container lives: exits 0 when it does. It is asked by HTTP or HTTPS, wherever it is configured to listen.
import http from 'node:http';
import https from 'node:https';
import { readEnvironment, textOf } from '../dist/libs/platform/config/environment.mjs';

const { variables } = readEnvironment(process.env, process.cwd());
const host = textOf(variables, 'HOST')
  .replace(/^0\.0\.0\.0$/, '127.0.0.1')
  .replace(/^::$/, '::1');
const get = textOf(variables, 'TLS_CERT_FILE') === '' ? http.get : https.get;
// The certificate is for the name that others call the server by, and there is nobody between this and the server.
const options = { host, port: textOf(variables, 'PORT'), path: '/healthz', timeout: 4_000, rejectUnauthorized: false };
const request = get(options, (response) => process.exit(response.statusCode === 200 ? 0 : 1));
request.on('timeout', () => request.destroy()).on('error', () => process.exit(1));
