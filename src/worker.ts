import { parentPort } from 'node:worker_threads';
import { fromDockerLabels, parse, patternProblem, placesOf, toYaml } from '#blueprint';
import { parseBootstrap } from '#bootstrap';
import { unifiedDiff } from '#document';
import type { Task, TaskResult } from '#platform';

/** The program of a worker thread: what it can be asked for (libs/platform/runtime/workers.ts). */
const TASKS: Record<string, (...args: never[]) => unknown> = {
  fromDockerLabels,
  parse,
  parseBootstrap,
  patternProblem,
  placesOf,
  toYaml,
  unifiedDiff,
};

parentPort!.on('message', ({ name, args }: Task) => {
  let result: TaskResult;
  try {
    result = { value: TASKS[name]!(...(args as never[])) };
  } catch (error) {
    result = { error: (error as Error).stack ?? String(error) };
  }
  parentPort!.postMessage(result);
});
