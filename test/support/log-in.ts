import { Api } from './api.js';

export const CSRF = { 'x-csrf-token': 'x-csrf-protection' };

/** Logs in. @returns a client that sends the cookie and the CSRF header. */
export async function logIn(url: string, email: string, password: string): Promise<Api> {
  const reply = await new Api(url, undefined, CSRF).post('/auth/login', { email, password });
  if (reply.status !== 200) throw new Error(`login: ${reply.status} ${reply.text}`);
  return new Api(url, undefined, { ...CSRF, cookie: reply.headers.get('set-cookie')!.split(';')[0]! });
}
