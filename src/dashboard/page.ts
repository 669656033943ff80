import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** What the build writes where a nonce belongs (libs/dashboard/vite.config.ts). */
const PLACEHOLDER = '__NONCE__';

/** What is not the dashboard's, whatever a browser says that it takes. */
const RESERVED = /^\/(?:api|v1|agent|install\.sh|healthz|readyz|metrics|\.well-known|\.gatehouse|assets)(?:[/?]|$)/;

/** The one page of the dashboard, with a nonce of its own in each answer. */
export class Page {
  private readonly parts: string[];

  /** @throws when the dashboard was not built. */
  constructor(file: string) {
    this.parts = readFileSync(file, 'utf8').split(PLACEHOLDER);
  }

  /** @returns the page and the policy under which a browser is to show it. */
  render(): { html: string; policy: string } {
    const nonce = randomBytes(16).toString('base64');
    return { html: this.parts.join(nonce), policy: policyOf(nonce) };
  }
}

/** Whether a request is a browser's for a page: GET, HTML among what it takes, and not under an address of something else. */
export function asksForPage(method: string, url: string, accept: string | undefined): boolean {
  return (method === 'GET' || method === 'HEAD') && !!accept?.includes('text/html') && !RESERVED.test(url);
}

/**
 * Everything from this server alone; styles and scripts that libraries add while they run carry the nonce. Pictures may be `data:`, for the
 * favicon with a number on it.
 */
function policyOf(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}'`,
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
