/** What is the edge's own in requests and answers: neither visitors nor targets set it. */

const OWN = 'gatehouse_';

/** Cookies of the edge on the hosts of resources, with the prefix `__Host-` where they are for https. */
export const RESOURCE_SESSION_COOKIE = `${OWN}resource_session`;
/** What a login by the dashboard, or by a mailed code, was begun with. */
export const LOGIN_STATE_COOKIE = `${OWN}login_state`;
export const MAIL_CODE_COOKIE = `${OWN}mail_code`;
/** That this browser has shown something right before. */
export const KNOWN_BROWSER_COOKIE = `${OWN}known_browser`;
export const STICKY_COOKIE = `${OWN}target`;
/** Below it are pages of the edge, on the hosts of resources. */
export const OWN_PATH = '/.gatehouse/';
/** A parameter of the query that is exchanged for a session. */
export const ACCESS_TOKEN_PARAMETER = 'p_token';

/** Whether a cookie is ours, however its name is written: browsers and servers do not all tell case and prefixes apart. */
export function isOwnCookie(name: string): boolean {
  let from = 0;
  if (name.charCodeAt(0) === 95) {
    const lower = name.slice(0, 9).toLowerCase();
    if (lower.startsWith('__host-')) from = 7;
    else if (lower === '__secure-') from = 9;
  }
  return name.length - from >= OWN.length && name.slice(from, from + OWN.length).toLowerCase() === OWN;
}
