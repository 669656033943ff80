import type { Problem } from '../../../document/index.js';
import type { Answer, DocumentKind, Question } from './problems.worker';

let worker: Worker | undefined;
let asked = 0;
const waiting = new Map<number, (problems: Problem[]) => void>();

/** What is wrong with a document, read in a thread of its own: typing never waits for it. */
export function problemsOf(kind: DocumentKind, text: string): Promise<Problem[]> {
  if (!worker) {
    worker = new Worker(new URL('./problems.worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data: { id, problems } }: MessageEvent<Answer>) => {
      waiting.get(id)?.(problems);
      waiting.delete(id);
    };
  }
  const question: Question = { id: ++asked, kind, text };
  return new Promise((done) => {
    waiting.set(question.id, done);
    worker!.postMessage(question);
  });
}
