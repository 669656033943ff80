import { INSTANCE_LIMITS } from '#contracts';
import { checkText, DOCUMENT_LIMITS, type Format, type Problem, Problems, readTree, Source } from '#document';
import type { Bootstrap } from './model.js';
import { readBootstrap } from './read.js';
import { DocumentTexts } from './texts.js';
import { eachText } from './uses.js';

/** Either a model or problems, never both. */
export type ParsedBootstrap =
  | { bootstrap: Bootstrap; problems: [] }
  | { bootstrap: undefined; problems: [Problem, ...Problem[]] };

/**
 * Reads a bootstrap document (docs/instances.md §1). Whether the secrets that it names exist is for the caller to ask: `usesOf`.
 * @returns the model with every default filled in, or everything that is wrong with it. Never throws for what the text holds.
 */
export function parseBootstrap(text: string, format?: Format): ParsedBootstrap {
  const source = new Source(text);
  const problems = new Problems(
    (offset) => source.place(offset),
    (masked) => source.unmask(masked),
  );
  const tree = checkText(source, INSTANCE_LIMITS.documentBytes, problems) && readTree(source, format, problems);
  const bootstrap = tree ? readBootstrap(tree, new DocumentTexts(source, problems), problems) : undefined;
  if (bootstrap && problems.none) checkSize(bootstrap, problems);
  if (bootstrap && problems.none) return { bootstrap, problems: [] };
  return { bootstrap: undefined, problems: problems.list() as [Problem, ...Problem[]] };
}

/** Aliases are short where they are written and long where they are read. */
function checkSize(bootstrap: Bootstrap, problems: Problems): void {
  let [bytes, templates] = [0, 0];
  eachText(bootstrap, (text) => {
    for (const part of text) {
      if (typeof part === 'string') bytes += part.length;
      else templates++;
    }
  });
  const { bundleBytes } = INSTANCE_LIMITS;
  if (bytes > bundleBytes) problems.add('', `with its aliases written out it has more than ${bundleBytes} bytes`, 0);
  if (templates > DOCUMENT_LIMITS.templates)
    problems.add('', `with its aliases written out it has more than ${DOCUMENT_LIMITS.templates} templates`, 0);
}
