import type { Identity } from '../http/forwarded-fields.js';
import type { Route } from '../routing/route-table.js';

/** What is decided about, of a request to a resource. */
export interface EdgeRequest {
  route: Route;
  scheme: 'http' | 'https';
  /** As asked for, with a port that was named. */
  host: string;
  method: string;
  /** In the one spelling in which it is judged and forwarded. */
  path: string;
  /** With its `?`; nothing where there is none. */
  query: string;
  rawHeaders: readonly string[];
  /** Address of the visitor. */
  client: string;
  requestId: string;
  /** A browser that looks at an address (`wantsPage`). */
  page: boolean;
}

/** Who logged in. The id is of a user of Gatehouse, null for an address that was proven by a code. */
export interface VisitorIdentity extends Identity {
  userId: string | null;
}

/** Leave to go on. */
export interface Granted {
  identity?: VisitorIdentity;
  by: 'none' | 'sso' | 'password' | 'pincode' | 'header' | 'whitelist' | 'token';
  /** The visitor's `Authorization` was for the edge. */
  withoutAuthorization: boolean;
  /**
   * Calls once, within a second, when what let this in has ended: a logout, a changed secret, a grant that was taken away, the time.
   * @returns forgets the listener
   */
  onEnd(listener: () => void): () => void;
}
