import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Counter } from 'prom-client';
import { AppError } from '../errors.js';
import { FairQueue, type Turn } from './fair-queue.js';

const THREADS = 2;
/** Tasks that may wait, of one source and of all; further ones are told to come again. */
const QUEUE_PER_SOURCE = 16;
const QUEUE = 64;
const MEMORY_MB = 256;
const TIME_MS = 10_000;

/** One task for a worker thread: what it calls, and with what. Both ways everything is copied, so plain data only. */
export interface Task {
  name: string;
  args: unknown[];
}
export type TaskResult = { value: unknown } | { error: string };

const tasks = new Counter({
  name: 'gatehouse_worker_tasks_total',
  help: 'Tasks of worker threads by what became of them',
  labelNames: ['task', 'result'],
});

/** The task needed more time or memory than there is for one: it is the input that is too much. */
export class TaskTooLarge extends Error {}

/**
 * Work whose cost somebody else decides, such as reading a large document: in threads, so that the server answers meanwhile, and within
 * bounds of time and memory. A thread that exceeds them is ended, and the next task gets a new one. Whoever has work done takes turns with
 * others: an organization that sends a hundred costly documents delays another's by one.
 */
@Injectable()
export class Workers implements OnApplicationShutdown {
  private readonly logger = new Logger(Workers.name);
  private readonly idle: Worker[] = [];
  private readonly busy = new Set<Worker>();
  private readonly queue: FairQueue;
  private closed = false;

  constructor(private readonly bounds: { threads?: number; queue?: number; timeMs?: number; memoryMb?: number } = {}) {
    const { threads = THREADS, queue = QUEUE } = bounds;
    this.queue = new FairQueue({
      running: threads,
      waitingPerSource: Math.min(QUEUE_PER_SOURCE, queue),
      waiting: queue,
      refusal: 'Too much is being read at the moment',
    });
  }

  /**
   * Calls a function of src/worker.ts in a thread. @returns what it returns.
   * @throws TaskTooLarge when the bounds were exceeded; AppError `capacity` when too many tasks wait already.
   */
  async run<F extends (...args: never[]) => unknown>(
    turn: Turn,
    name: string,
    ...args: Parameters<F>
  ): Promise<ReturnType<F>> {
    let begun = false;
    try {
      return await this.queue.run(turn, () => {
        begun = true;
        return this.execute<ReturnType<F>>({ name, args });
      });
    } catch (error) {
      if (!begun) tasks.inc({ task: name, result: 'refused' });
      throw error;
    }
  }

  /** Calls a function that looks for a problem; needing too much is one. @throws capacity */
  async check<F extends (...args: never[]) => string | undefined>(
    turn: Turn,
    name: string,
    ...args: Parameters<F>
  ): Promise<string | undefined> {
    try {
      return await this.run<F>(turn, name, ...args);
    } catch (error) {
      if (error instanceof TaskTooLarge) return error.message;
      throw error;
    }
  }

  /** Ends all threads; what waits is refused. */
  async onApplicationShutdown(): Promise<void> {
    this.closed = true;
    await Promise.all([...this.idle, ...this.busy].map((worker) => worker.terminate()));
  }

  private execute<T>(task: Task): Promise<T> {
    if (this.closed) return Promise.reject(stopping());
    const worker = this.idle.pop() ?? this.start();
    this.busy.add(worker);
    return new Promise<T>((resolve, reject) => {
      const settle = (result: 'done' | 'failed' | 'time' | 'memory', act: () => void): void => {
        if (!this.busy.delete(worker)) return;
        clearTimeout(timer);
        worker.off('message', onMessage).off('error', onError).off('exit', onExit);
        if (result === 'done' || result === 'failed') {
          worker.unref();
          this.idle.push(worker);
        } else {
          void worker.terminate();
          this.logger.warn({ task: task.name, result }, 'A task exceeded its bounds');
        }
        tasks.inc({ task: task.name, result });
        act();
      };
      const timer = setTimeout(
        () => settle('time', () => reject(new TaskTooLarge('takes too long to read'))),
        this.bounds.timeMs ?? TIME_MS,
      );
      const onMessage = (result: TaskResult) => {
        if ('error' in result) settle('failed', () => reject(new Error(result.error)));
        else settle('done', () => resolve(result.value as T));
      };
      const onError = (error: Error) =>
        settle('memory', () =>
          reject(isOutOfMemory(error) ? new TaskTooLarge('needs too much memory to read') : error),
        );
      const onExit = () =>
        settle('memory', () => reject(this.closed ? stopping() : new Error('A worker thread ended')));
      worker.on('message', onMessage).on('error', onError).on('exit', onExit);
      worker.ref();
      worker.postMessage(task);
    });
  }

  private start(): Worker {
    // The built program (src/worker.ts), wherever this file runs from.
    const program = createRequire(import.meta.url).resolve('#worker');
    const worker = new Worker(program, {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: this.bounds.memoryMb ?? MEMORY_MB, stackSizeMb: 4 },
    });
    // One that ends while nobody waits for it is no news: the task that meets it fails.
    worker.on('error', () => undefined);
    return worker;
  }
}

const stopping = () => new AppError('shutting_down', 'The server is stopping', { retryAfter: 2 });
const isOutOfMemory = (error: Error) => (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
