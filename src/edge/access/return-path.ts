import { ACCESS_TOKEN_PARAMETER, OWN_PATH } from '../http/own-names.js';
import { withoutParameter } from '../routing/path.js';

const MAX = 2048;

/**
 * Where a visitor goes on after logging in: a path of the host that asked, and nothing that leads elsewhere. It is only ever written behind the
 * origin of that host, so that `//elsewhere` is a path too.
 * @returns `/` for what is none, and for pages of the edge itself
 */
export function returnPath(text: string | null | undefined): string {
  if (!text || text.length > MAX || !/^\/[\x21-\x5b\x5d-\x7e]*$/.test(text) || text.startsWith(OWN_PATH)) return '/';
  return text;
}

/** The address that was asked for, without what lets in. */
export const askedPath = (path: string, query: string): string =>
  returnPath(path + withoutParameter(query, ACCESS_TOKEN_PARAMETER));
