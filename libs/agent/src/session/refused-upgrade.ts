import type { IncomingMessage } from 'node:http';

const NOT_PASSED_ON =
  'a proxy in between does not pass on the websocket (its Upgrade and Connection headers), without which there is no session';
/** Of an error page only so much is looked at, for so long. */
const MAX_BYTES = 8_192;
const MAX_MS = 2_000;

/** What an answer to the session's upgrade means, in one sentence. Requests came through before it: the token was fetched a moment ago. */
export function refusedUpgrade(status: number, body: string): string {
  const said = envelopeMessage(body);
  const answered = `the session request was answered with ${status}`;
  // The server's own 400 and 404 are for a request that is no websocket any more (docs/agent-protocol.md rule 4).
  if (said !== undefined && status !== 400 && status !== 404) return `${answered}: ${said}`;
  if (status === 407)
    return `${answered}: the proxy wants a user and a password (HTTPS_PROXY=http://user:password@host)`;
  if (status === 429 || (status >= 502 && status <= 504)) return `${answered}, by something before the server`;
  return `${answered}: ${NOT_PASSED_ON}`;
}

/** What a failure of the websocket's opening means, when it is one of those that a proxy in between makes. */
export function failedOpening(message: string): string {
  if (/^(Invalid (Upgrade|Sec-WebSocket-Accept) header|Parse Error)/.test(message))
    return `${message}: ${NOT_PASSED_ON}`;
  if (/handshake has timed out/.test(message))
    return 'the session request was not answered; so it is with a proxy that does not pass on the websocket';
  return message;
}

/** The beginning of a response's body. */
export async function beginningOf(response: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const timer = setTimeout(() => finish(), MAX_MS);
    const finish = () => {
      clearTimeout(timer);
      resolve(text);
    };
    response.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.length >= MAX_BYTES) finish();
    });
    for (const event of ['end', 'error', 'close']) response.once(event, finish);
  });
}

/** The message of the server's own answer; undefined for one of something in between. */
export function envelopeMessage(body: string): string | undefined {
  try {
    const { success, error, message } = JSON.parse(body) as Record<string, unknown>;
    return success === false && error === true && typeof message === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}
