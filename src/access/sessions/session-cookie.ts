import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Authenticator } from '../authenticator.js';
import { SECURE_SESSION_COOKIE } from '../request-credential.js';

/** The cookie that holds the token of a session. */
@Injectable()
export class SessionCookie {
  private readonly name: string;
  private readonly options: object;

  constructor({ cookieName }: Authenticator) {
    this.name = cookieName;
    this.options = { path: '/', httpOnly: true, sameSite: 'lax', secure: cookieName === SECURE_SESSION_COOKIE };
  }

  set(reply: FastifyReply, token: string, expires: Date): void {
    reply.setCookie(this.name, token, { ...this.options, expires });
  }

  clear(reply: FastifyReply): void {
    reply.clearCookie(this.name, this.options);
  }
}
