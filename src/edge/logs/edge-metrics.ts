import { Counter, Gauge, Histogram } from 'prom-client';
import type { RequestEntry } from './entries.js';

/** By class of status and code, until somebody asks: the library looks labels up anew for each request. */
const counts = new Map<string, { status: string; code: string; requests: number }>();
new Counter({
  name: 'gatehouse_edge_requests_total',
  help: "Requests for public resources, by class of the answer's status, and by code where the edge answered itself",
  labelNames: ['status', 'code'],
  collect() {
    this.reset();
    for (const { status, code, requests } of counts.values()) this.inc({ status, code }, requests);
  },
});
const seconds = new Histogram({
  name: 'gatehouse_edge_request_seconds',
  help: 'Time from a request for a public resource to the end of its answer',
  buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
});

/** Measures a request, whoseever it is. */
export function measure({ status, code, durationMs }: RequestEntry): void {
  const hundreds = Math.floor(status / 100);
  const key = code === null ? String(hundreds) : `${hundreds} ${code}`;
  let count = counts.get(key);
  if (!count) {
    const of = hundreds >= 1 && hundreds <= 5 ? `${hundreds}xx` : 'none';
    counts.set(key, (count = { status: of, code: code ?? '', requests: 0 }));
  }
  count.requests++;
  seconds.observe(durationMs / 1000);
}

/** A log as its metrics show it. */
interface Queue {
  readonly waitingRows: number;
  readonly droppedRows: number;
}

/** Of this process, by name. */
export const queues = new Map<string, Queue>();

new Gauge({
  name: 'gatehouse_log_queue_rows',
  help: 'Rows of a log that are not written yet',
  labelNames: ['log'],
  collect() {
    for (const [log, { waitingRows }] of queues) this.set({ log }, waitingRows);
  },
});
new Counter({
  name: 'gatehouse_log_dropped_rows_total',
  help: 'Rows of a log that were given up: too many waited, or PostgreSQL refused them',
  labelNames: ['log'],
  collect() {
    this.reset();
    for (const [log, { droppedRows }] of queues) this.inc({ log }, droppedRows);
  },
});
