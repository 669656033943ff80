/** The ways in that a resource may have (docs/integration-api.md §3.5); `none`: it is open to all. */
export type Authentication = 'none' | 'sso' | 'password' | 'pincode' | 'header_auth' | 'whitelist' | 'access_token';

/** Who was logged in, or the name of what let somebody in. */
export interface LoggedUser {
  id: string;
  /** What people read: an e-mail address, the name of a token. */
  name: string;
}

/** A request that is over, as the edge knows it. Texts are as they came: the log masks and shortens. */
export interface RequestEntry {
  /** When it came, in milliseconds since 1970. */
  time: number;
  requestId: string;
  /** null, and the organization too: nothing is published under the host. Such a request is measured, and not written. */
  resourceId: number | null;
  orgId: string | null;
  host: string;
  method: string;
  /** With the query. */
  path: string;
  scheme: 'http' | 'https';
  /** 0: it was over before there was an answer. */
  status: number;
  /** Of an answer of the edge's own, else null. */
  code: string | null;
  /** Of the bodies, or of what went through after an upgrade: from the client, and to it. */
  bytesIn: number;
  bytesOut: number;
  durationMs: number;
  /** Of the client, in its plain form. */
  address: string | null;
  user: LoggedUser | null;
  /** What let it in or kept it out; null: it never came to that. */
  decidedBy: { ruleId: number } | { authentication: Authentication } | null;
  targetId: number | null;
  siteId: number | null;
  userAgent: string | null;
  /** Whether the client came over TLS, to here or to a proxy in front. */
  tls: boolean;
  /** Two letters, as the GeoIP file has it. */
  country: string | null;
}

/** Somebody tried to log in on a resource. */
export interface LoginEntry {
  /** In milliseconds since 1970. */
  time: number;
  requestId: string;
  resourceId: number;
  orgId: string;
  type: Exclude<Authentication, 'none'>;
  /** Whether it let them in. */
  allowed: boolean;
  user: LoggedUser | null;
  address: string | null;
  userAgent: string | null;
  country: string | null;
}

/** Codes of the edge that say nothing against who asked: the request was let in, and went wrong behind. */
const BEHIND = new Set(['site_offline', 'no_healthy_target', 'refused', 'bad_gateway', 'timeout']);

export const isAllowed = ({ code }: Pick<RequestEntry, 'code'>): boolean => code === null || BEHIND.has(code);

const LET_IN_BY: Record<Authentication, number> = {
  none: 101,
  access_token: 102,
  header_auth: 103,
  pincode: 104,
  password: 105,
  whitelist: 106,
  sso: 107,
};

/** Why, as the numbers that other programs know (docs/integration-api.md §3.23). */
export function reasonOf({ code, decidedBy }: Pick<RequestEntry, 'code' | 'decidedBy'>): number {
  if (decidedBy && 'ruleId' in decidedBy) return isAllowed({ code }) ? 100 : 203;
  if (decidedBy && isAllowed({ code })) return LET_IN_BY[decidedBy.authentication];
  if (code === 'forbidden') return 202;
  return code === 'unauthenticated' ? 204 : 299;
}
