// Ceiling reference: bare node:tls with the options of the device listener, and nothing behind it.  node raw-tls.mjs PORT  (files as in tls-load.mjs)
import fs from 'node:fs';
import tls from 'node:tls';
import { ANEW, PSK_CIPHERS } from '#platform';
import { requiredEnv } from '../support/required-env.mjs';
import { readJsonl } from './lib.mjs';

const keys = new Map(
  readJsonl(requiredEnv('PSKS')).map(({ identity, psk }) => [identity, Buffer.from(psk, 'base64url')]),
);
tls
  .createServer(
    {
      ...ANEW,
      ciphers: PSK_CIPHERS,
      dhparam: 'auto',
      honorCipherOrder: true,
      cert: fs.readFileSync(requiredEnv('TLS_CERT_FILE')),
      key: fs.readFileSync(requiredEnv('TLS_KEY_FILE')),
      requestCert: true,
      rejectUnauthorized: false,
      pskCallback: (_socket, identity) => keys.get(identity) ?? null,
    },
    (socket) => socket.on('error', () => undefined).resume(),
  )
  .listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 }, () => process.send?.('listening'));
