import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import type { RawData } from 'ws';
import { AppError, boundedText, FRAME_BOUNDS } from '#platform';
import type { Session } from './session.js';

/** What a gateway handler gets: Nest binds it once, not once per socket, so the session travels with the message. */
export interface Incoming {
  session: Session;
  type: string;
  data: unknown;
}

type Handler = (message: Incoming) => void;

const messages = new Counter({
  name: 'gatehouse_agent_messages_total',
  help: 'Messages from agents by type and what became of them',
  labelNames: ['type', 'result'],
});

/** Counts a message; types that nobody handles share a label. */
export const countMessage = (type: string, result: 'ok' | 'bad' | 'ignored') => messages.inc({ type, result });

/** The one map from `type` to handler. Gateways fill it through the adapter. */
@Injectable()
export class MessageDispatch {
  private readonly handlers = new Map<string, Handler>();

  add(type: string, handler: Handler): void {
    if (this.handlers.has(type)) throw new Error(`Two handlers for ${type}`);
    this.handlers.set(type, handler);
  }

  /** Types that are part of the dialect and need no answer. */
  acceptQuietly(types: readonly string[]): void {
    for (const type of types) this.add(type, () => undefined);
  }

  /** One frame: a bad one is answered with `error` and counted, an unknown type ignored and counted; neither ends the session. */
  receive(session: Session, frame: RawData, isBinary: boolean): void {
    const message = isBinary ? NO_MESSAGE : parse(frame);
    if (typeof message === 'string') return this.bad(session, 'none', message);
    const handler = this.handlers.get(message.type);
    if (!handler) return countMessage('unknown', 'ignored');
    countMessage(message.type, 'ok');
    handler({ session, type: message.type, data: message.data });
  }

  bad(session: Session, type: string, problem: string): void {
    countMessage(this.handlers.has(type) ? type : 'unknown', 'bad');
    session.send('error', { message: problem, originalMessage: type });
  }
}

const NO_MESSAGE = 'A message is a JSON object with a type, in a text frame';

/** @returns the message, or what is wrong with the frame. */
function parse(frame: RawData): { type: string; data: unknown } | string {
  try {
    const value: unknown = JSON.parse(boundedText(frame as Buffer, FRAME_BOUNDS));
    if (typeof value !== 'object' || value === null) return NO_MESSAGE;
    const { type, data } = value as { type?: unknown; data?: unknown };
    return typeof type === 'string' && type.length <= 100 ? { type, data } : NO_MESSAGE;
  } catch (error) {
    return error instanceof AppError ? error.message : NO_MESSAGE;
  }
}
