import { readFileSync, statSync } from 'node:fs';
import type { Server } from 'node:https';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { PeriodicTask } from '../runtime/periodic-task.js';

const CHECK_EVERY_MS = 1_000;

/** A certificate and its key, as PEM. */
export interface KeyPair {
  cert: Buffer;
  key: Buffer;
}

/** Reads the pair and proves that its halves belong together. Throws what OpenSSL or the disk says. */
export function readKeyPair(files: { certFile: string; keyFile: string }): KeyPair {
  const pair = { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) };
  createSecureContext(pair);
  return pair;
}

/**
 * Gives the server a renewed certificate without a restart; open connections keep the old one. Files are looked at by their
 * status, because renewals often swap a symbolic link, which file watchers miss. A pair that does not match (one half is
 * written, the other not yet) is tried again.
 * @param context what the server was made with beside the pair, which it would forget otherwise
 * @returns a function that ends the watching.
 */
export function reloadKeyPair(
  server: Server,
  files: { certFile: string; keyFile: string },
  log: { info(text: string): void; warn(text: string): void },
  context: SecureContextOptions = {},
): () => void {
  let loaded = stateOf(files);
  let refused = '';
  const look = (): void => {
    const state = stateOf(files);
    if (state === loaded) return;
    try {
      server.setSecureContext({ ...context, ...readKeyPair(files) });
      loaded = state;
      log.info('The TLS certificate was read again');
    } catch (error) {
      if (refused !== state) log.warn(`The changed TLS certificate is not usable yet: ${(error as Error).message}`);
      refused = state;
    }
  };
  const task = new PeriodicTask('TLS', {
    failure: 'The TLS certificate could not be looked at',
    everyMs: CHECK_EVERY_MS,
    run: look,
  });
  task.wake(CHECK_EVERY_MS);
  return () => void task.stop();
}

function stateOf(files: { certFile: string; keyFile: string }): string {
  return [files.certFile, files.keyFile]
    .map((file) => {
      const found = statSync(file, { throwIfNoEntry: false });
      return found ? `${found.ino}:${found.size}:${found.mtimeMs}` : 'none';
    })
    .join(' ');
}
