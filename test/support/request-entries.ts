import type { LoginEntry, RequestEntry } from '../../src/edge/logs/entries.js';

let serial = 0;

/** A request that was answered by a target of a resource that is open to all. */
export const requestEntry = (more: Partial<RequestEntry> = {}): RequestEntry => ({
  time: Date.now(),
  requestId: `request-${++serial}`,
  resourceId: 1,
  orgId: 'acme',
  host: 'app.example.com',
  method: 'GET',
  path: '/',
  scheme: 'https',
  status: 200,
  code: null,
  bytesIn: 0,
  bytesOut: 100,
  durationMs: 4.4,
  address: '192.0.2.7',
  user: null,
  decidedBy: { authentication: 'none' },
  targetId: null,
  siteId: null,
  userAgent: 'curl/8.5.0',
  tls: true,
  country: null,
  ...more,
});

/** Somebody who was let in by a password. */
export const loginEntry = (more: Partial<LoginEntry> = {}): LoginEntry => ({
  time: Date.now(),
  requestId: `request-${++serial}`,
  resourceId: 1,
  orgId: 'acme',
  type: 'password',
  allowed: true,
  user: null,
  address: '192.0.2.7',
  userAgent: 'Mozilla/5.0',
  country: null,
  ...more,
});
