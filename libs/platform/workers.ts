import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { Counter } from 'prom-client';
import { AppError } from './errors.js';

const THREADS = 2;
/** Tasks that may wait; further ones are told to come again. */
const QUEUE = 64;
const MEMORY_MB = 256;
const TIME_MS = 10_000;

/** One task for a worker thread: what it calls, and with what. Both ways everything is copied, so plain data only. */
export interface Task {
  name: string;
  args: unknown[];
}
export type TaskResult = { value: unknown } | { error: string };

interface Job extends Task {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

const tasks = new Counter({ name: 'gatehouse_worker_tasks_total', help: 'Tasks of worker threads by what became of them', labelNames: ['task', 'result'] });

/** The task needed more time or memory than there is for one: it is the input that is too much. */
export class TaskTooLarge extends Error {}

/**
 * Work whose cost somebody else decides, such as reading a large document: in threads, so that the server answers meanwhile, and within
 * bounds of time and memory. A thread that exceeds them is ended, and the next task gets a new one.
 */
@Injectable()
export class Workers implements OnApplicationShutdown {
  private readonly logger = new Logger(Workers.name);
  private readonly idle: Worker[] = [];
  private readonly busy = new Set<Worker>();
  private readonly waiting: Job[] = [];
  private closed = false;

  constructor(private readonly bounds: { threads?: number; queue?: number; timeMs?: number; memoryMb?: number } = {}) {}

  /**
   * Calls a function of src/worker.ts in a thread. @returns what it returns.
   * @throws TaskTooLarge when the bounds were exceeded; AppError `capacity` when too many tasks wait already.
   */
  run<F extends (...args: never[]) => unknown>(name: string, ...args: Parameters<F>): Promise<ReturnType<F>> {
    if (this.waiting.length >= (this.bounds.queue ?? QUEUE) || this.closed) {
      tasks.inc({ task: name, result: 'refused' });
      return Promise.reject(new AppError('capacity', 'Too much is being read at the moment', { retryAfter: 5 }));
    }
    return new Promise<ReturnType<F>>((resolve, reject) => {
      this.waiting.push({ name, args, resolve, reject });
      this.next();
    });
  }

  /** Calls a function that looks for a problem; needing too much is one. @throws capacity */
  async check<F extends (...args: never[]) => string | undefined>(name: string, ...args: Parameters<F>): Promise<string | undefined> {
    try {
      return await this.run<F>(name, ...args);
    } catch (error) {
      if (error instanceof TaskTooLarge) return error.message;
      throw error;
    }
  }

  /** Ends all threads; what waits is refused. */
  async onApplicationShutdown(): Promise<void> {
    this.closed = true;
    for (const { reject } of this.waiting.splice(0)) reject(stopping());
    await Promise.all([...this.idle, ...this.busy].map((worker) => worker.terminate()));
  }

  private next(): void {
    if (this.closed || this.busy.size >= (this.bounds.threads ?? THREADS)) return;
    const job = this.waiting.shift();
    if (!job) return;
    const worker = this.idle.pop() ?? this.start();
    this.busy.add(worker);
    const settle = (result: 'done' | 'failed' | 'time' | 'memory', act: () => void): void => {
      if (!this.busy.delete(worker)) return;
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      if (result === 'done' || result === 'failed') {
        worker.unref();
        this.idle.push(worker);
      } else {
        void worker.terminate();
        this.logger.warn({ task: job.name, result }, 'A task exceeded its bounds');
      }
      tasks.inc({ task: job.name, result });
      act();
      this.next();
    };
    const timer = setTimeout(() => settle('time', () => job.reject(new TaskTooLarge('takes too long to read'))), this.bounds.timeMs ?? TIME_MS);
    const onMessage = (result: TaskResult) => {
      if ('error' in result) settle('failed', () => job.reject(new Error(result.error)));
      else settle('done', () => job.resolve(result.value as never));
    };
    const onError = (error: Error) => settle('memory', () => job.reject(isOutOfMemory(error) ? new TaskTooLarge('needs too much memory to read') : error));
    const onExit = () => settle('memory', () => job.reject(this.closed ? stopping() : new Error('A worker thread ended')));
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    worker.ref();
    worker.postMessage({ name: job.name, args: job.args } satisfies Task);
  }

  private start(): Worker {
    // The built program (src/worker.ts), wherever this file runs from.
    const program = createRequire(import.meta.url).resolve('#worker');
    const worker = new Worker(program, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: this.bounds.memoryMb ?? MEMORY_MB, stackSizeMb: 4 } });
    // One that ends while nobody waits for it is no news: the task that meets it fails.
    worker.on('error', () => undefined);
    return worker;
  }
}

const stopping = () => new AppError('shutting_down', 'The server is stopping', { retryAfter: 2 });
const isOutOfMemory = (error: Error) => (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
