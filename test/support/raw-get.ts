import { get, type IncomingHttpHeaders } from 'node:http';

/** A GET whose path and body nobody changes on the way: fetch resolves the one and unpacks the other. */
export function rawGet(
  url: string,
  headers: Record<string, string>,
): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> {
  const { hostname, port, origin } = new URL(url);
  return new Promise((done, failed) => {
    get({ hostname, port, path: url.slice(origin.length), headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', failed);
      response.on('end', () =>
        done({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }),
      );
    }).on('error', failed);
  });
}
