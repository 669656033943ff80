import { writeFileSync } from 'node:fs';

/** To be preloaded into a server or the admin command, with `FAILPOINT_FILE`. */
export const withinRequest = new URL('failpoints/within-request.mjs', import.meta.url).href;

export interface Armed {
  /** Such as `POST /org/x/site`, below /api/v1, or `POST /.well-known/…`; or `admin`. */
  request: string;
  /** A number: before its n-th statement; `answer`: before its answer; other text: before a statement that begins so. */
  at: number | string;
  /** Who dies instead of the process that serves the request. */
  pid?: number;
}

/** Arms the failpoint; the file is gone once it was hit. */
export function arm(file: string, { request, ...rest }: Armed): void {
  writeFileSync(file, JSON.stringify({ request: request.replace(/ \/(?!\.well-known)/, ' /api/v1/'), ...rest }));
}
