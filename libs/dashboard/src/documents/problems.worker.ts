import { parse } from '../../../blueprint/index.js';
import { parseBootstrap } from '../../../bootstrap/index.js';
import type { Problem } from '../../../document/index.js';

export type DocumentKind = 'blueprint' | 'bootstrap';
export interface Question {
  id: number;
  kind: DocumentKind;
  text: string;
}
export interface Answer {
  id: number;
  problems: Problem[];
}

/** What the server would say of a document, by the server's own code. Templates are open: no site is known yet. */
function problemsOf({ kind, text }: Question): Problem[] {
  if (kind === 'bootstrap') return parseBootstrap(text).problems;
  return parse(text, { site: 'open', operators: true }).problems;
}

addEventListener('message', ({ data }: MessageEvent<Question>) => {
  postMessage({ id: data.id, problems: problemsOf(data) } satisfies Answer);
});
