/** What an EST client presents: its hardware id and a provisioning key (RFC 7617). */
export interface Presented {
  hardwareId: string;
  key: string;
}

/**
 * The user ends at the last colon: MAC addresses hold colons, provisioning keys none.
 * @returns undefined when there is no such field, null when it holds nothing of this form
 */
export function presentedBy(authorization: string | undefined): Presented | null | undefined {
  if (authorization === undefined) return undefined;
  const encoded = /^basic +([A-Za-z0-9+/]{1,1024}={0,2})$/i.exec(authorization)?.[1];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, 'base64').toString('latin1');
  const colon = text.lastIndexOf(':');
  // 1 to 128 printable ASCII characters, as at every claim endpoint.
  if (!/^[\x20-\x7e]{1,128}$/.test(text.slice(0, colon)) || colon < 1) return null;
  return { hardwareId: text.slice(0, colon), key: text.slice(colon + 1) };
}
