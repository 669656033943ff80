import { api } from './client';

/** A change as somebody's script sends it: `path` below `/api/v1`. */
export interface Call {
  method: string;
  path: string;
  body?: unknown;
}

/** Thrown where a request would be sent, while it is only written down. */
class Written extends Error {
  constructor(readonly request: Request) {
    super('written down');
  }
}

let isWriting = false;
let last: Request | undefined;

api.use({
  onRequest({ request }) {
    if (request.method === 'GET') return;
    if (isWriting) throw new Written(request);
    // One's own password and sessions are no matter of an API key.
    last = new URL(request.url).pathname.startsWith('/api/v1/auth/') ? undefined : request.clone();
  },
});

async function callIn(request: Request): Promise<Call> {
  const { pathname, search } = new URL(request.url);
  const text = await request.clone().text();
  return {
    method: request.method,
    path: `${pathname.replace(/^\/api\/v1/, '')}${search}`,
    ...(text ? { body: JSON.parse(text) as unknown } : {}),
  };
}

/**
 * The first change that `act` would send, which is not sent: so what a form or a button does is said once, in its own code. Reads it makes before
 * are made. @returns undefined when it changes nothing
 */
export async function callOf(act: () => Promise<unknown>): Promise<Call | undefined> {
  isWriting = true;
  try {
    await act();
    return undefined;
  } catch (error) {
    if (error instanceof Written) return await callIn(error.request);
    throw error;
  } finally {
    isWriting = false;
  }
}

/** The change that was sent last, for who tells of it; undefined where an API key is of no use. */
export function lastCall(): (() => Promise<Call>) | undefined {
  const request = last;
  return request && (() => callIn(request));
}
