import { Counter, Gauge } from 'prom-client';

/** Why a connection or a flow was not opened. */
export type RawRefusal = 'too_many' | 'stale' | 'stopping' | 'no_target' | 'refused';

export const rawOpen = new Gauge({
  name: 'gatehouse_raw_open',
  help: 'Connections (tcp) and flows (udp) of raw resources that are open now',
  labelNames: ['protocol'],
});
export const rawOpened = new Counter({
  name: 'gatehouse_raw_opened_total',
  help: 'Connections (tcp) and flows (udp) of raw resources that reached a target',
  labelNames: ['protocol'],
});
export const rawRefused = new Counter({
  name: 'gatehouse_raw_refused_total',
  help: 'Connections (tcp) and datagrams (udp) for raw resources that went nowhere: too_many are open, what is known is stale, the server is stopping, there is no_target, or all refused',
  labelNames: ['protocol', 'reason'],
});
export const rawBoundAnswers = new Counter({
  name: 'gatehouse_raw_unsent_datagrams_total',
  help: 'Answers to flows of a single datagram beyond ten times its size, and others that nobody could be sent',
});
