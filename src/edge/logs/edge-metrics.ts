import { Counter, Gauge, Histogram } from 'prom-client';
import type { RequestEntry } from './entries.js';

const requests = new Counter({
  name: 'gatehouse_edge_requests_total',
  help: "Requests for public resources, by class of the answer's status, and by code where the edge answered itself",
  labelNames: ['status', 'code'],
});
const seconds = new Histogram({
  name: 'gatehouse_edge_request_seconds',
  help: 'Time from a request for a public resource to the end of its answer',
  buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
});
/** Labels are looked up by their values: once for each pair, which are few. */
const children = new Map<string, ReturnType<typeof requests.labels>>();

/** Measures a request, whoseever it is. */
export function measure({ status, code, durationMs }: RequestEntry): void {
  const labels = [status >= 100 && status < 600 ? `${Math.floor(status / 100)}xx` : 'none', code ?? ''] as const;
  const key = labels.join(' ');
  let child = children.get(key);
  if (!child) children.set(key, (child = requests.labels(...labels)));
  child.inc();
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
