import { lstatSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ready } from '../../../contracts/index.js';
import { checkHost, guarded } from './addresses.js';
import type { Child } from './child.js';

const ASK_MS = 200;
const ANSWER_MS = 5_000;

export type Readiness = { ready: true } | { ready: false; reason: string };

/** Begun before the program is started or told of a change, so that what was ready before does not count (docs/instances.md §7.7). */
export class ReadyCheck {
  private readonly before: string | undefined;
  private problem = '';

  /** @param file the place of the file, when `ready` is one */
  constructor(
    private readonly ready: Ready,
    private readonly file: string | undefined,
  ) {
    this.before = file === undefined ? undefined : stampOf(file);
  }

  /** Resolves when the program is ready, has ended, or was given its time. Rejects with the signal's reason. */
  async wait(child: Child, signal: AbortSignal): Promise<Readiness> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const limitMs = this.ready.timeoutSeconds * 1000;
    try {
      return await Promise.race([
        child.exited.then((code) => notReady(`it ended with code ${code} before it was ready`)),
        this.untilReady(either),
        ...('afterSeconds' in this.ready
          ? []
          : [
              delay(limitMs, undefined, { signal: either }).then(() =>
                notReady(`it is not ready within ${this.ready.timeoutSeconds} s${this.problem && `: ${this.problem}`}`),
              ),
            ]),
      ]);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      over.abort();
    }
  }

  private async untilReady(signal: AbortSignal): Promise<Readiness> {
    if ('afterSeconds' in this.ready) {
      await delay(this.ready.afterSeconds * 1000, undefined, { signal });
      return { ready: true };
    }
    for (;;) {
      const asked = performance.now();
      if (await this.isReady(signal)) return { ready: true };
      await delay(Math.max(0, ASK_MS - (performance.now() - asked)), undefined, { signal });
    }
  }

  private async isReady(signal: AbortSignal): Promise<boolean> {
    if (this.file !== undefined) {
      const now = stampOf(this.file);
      return now !== undefined && now !== this.before;
    }
    if (!('http' in this.ready)) return false;
    try {
      const status = await ask(new URL(this.ready.http), signal);
      this.problem = `${this.ready.http} answers ${status}`;
      return status >= 200 && status < 400;
    } catch (error) {
      signal.throwIfAborted();
      this.problem = `${this.ready.http}: ${(error as Error).message || (error as NodeJS.ErrnoException).code}`;
      return false;
    }
  }
}

function notReady(reason: string): Readiness {
  return { ready: false, reason };
}

/** Tells a file that was made or touched since from the one that was there. */
function stampOf(path: string): string | undefined {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.ino} ${found.ctimeNs}`;
}

/** The status of a GET: no proxy, no redirect, nothing read of the body, and any certificate, for it says nothing but that something answers. */
async function ask(url: URL, signal: AbortSignal): Promise<number> {
  checkHost(url);
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).get(url, {
      agent: false,
      lookup: guarded(),
      rejectUnauthorized: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    request.on('error', reject);
    request.on('response', (response) => {
      response.on('error', () => undefined);
      response.destroy();
      resolve(response.statusCode ?? 0);
    });
  });
}
