/**
 * The values of a cookie in a request: a host above may have set another by the same name, so there may be several.
 * @param rawHeaders of HTTP/1.1 or HTTP/2, which may split cookies
 */
export function cookiesNamed(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length !== 6 || rawHeaders[i]!.toLowerCase() !== 'cookie') continue;
    const text = rawHeaders[i + 1]!;
    if (!text.includes(name)) continue;
    for (const pair of text.split(';')) {
      const equals = pair.indexOf('=');
      if (equals > 0 && pair.slice(0, equals).trim() === name) values.push(pair.slice(equals + 1).trim());
    }
  }
  return values;
}

/** The name of a cookie of the edge: over https one that only this host can have set. */
export const hostCookieName = (name: string, https: boolean): string => (https ? `__Host-${name}` : name);

/**
 * A `Set-Cookie` of the edge, for the host that asked alone.
 * @param name without prefix
 * @param seconds until it ends; undefined: with the browser; 0: now
 */
export function setCookie(name: string, value: string, https: boolean, seconds?: number): string {
  const age = seconds === undefined ? '' : `; Max-Age=${seconds}`;
  return `${hostCookieName(name, https)}=${value}; Path=/; HttpOnly; SameSite=Lax${https ? '; Secure' : ''}${age}`;
}
