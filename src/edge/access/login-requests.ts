import { Injectable } from '@nestjs/common';
import { KeyRing } from '#platform';

const SECONDS = 600;

/** What a resource asks of the dashboard: to say who somebody is. */
export interface LoginRequest {
  resourceId: number;
  /** Of the resource, as the browser asked for it: the answer goes there and nowhere else. */
  origin: string;
  /** SHA-256 of what the browser holds at the resource, base64url. */
  state: string;
  returnPath: string;
}

/** Signed, so that the dashboard answers none but what an edge asked: where a browser is sent is not to be chosen by others. */
@Injectable()
export class LoginRequests {
  constructor(private readonly keys: KeyRing) {}

  sign({ resourceId, origin, state, returnPath }: LoginRequest, now: number = Date.now()): string {
    const ends = Math.floor(now / 1000) + SECONDS;
    const payload = Buffer.from(JSON.stringify([resourceId, origin, state, returnPath, ends])).toString('base64url');
    return `${payload}.${this.keys.mac('resource-login', payload).toString('base64url')}`;
  }

  /** @returns null for one that is not ours, or too old */
  read(text: string, now: number = Date.now()): LoginRequest | null {
    const [payload = '', mac = ''] = text.split('.', 2);
    if (!this.keys.isMac('resource-login', payload, Buffer.from(mac, 'base64url'))) return null;
    const [resourceId, origin, state, returnPath, ends] = JSON.parse(Buffer.from(payload, 'base64url').toString()) as [
      number,
      string,
      string,
      string,
      number,
    ];
    return ends * 1000 > now ? { resourceId, origin, state, returnPath } : null;
  }
}
