import { below, type Problem } from '#document';
import type { Bootstrap, Config, Namespace, SiteField, Template, Text } from './model.js';

/** Every text that may hold templates, with its path in the document. */
export function eachText(bootstrap: Bootstrap, see: (text: Text, path: string) => void): void {
  for (const { name, value } of bootstrap.env) see(value, below('env', name));
  bootstrap.files.forEach(({ content }, i) => see(content, `files[${i}].content`));
  eachTextOf(bootstrap.config, 'config', see);
  bootstrap.dependencies.forEach(({ url }, i) => see(url, `dependencies[${i}].url`));
  if ('http' in bootstrap.run.ready) see(bootstrap.run.ready.http, 'run.ready.http');
}

function eachTextOf(config: Config, path: string, see: (text: Text, path: string) => void): void {
  if ('text' in config) see(config.text, path);
  if ('list' in config) config.list.forEach((item, i) => eachTextOf(item, `${path}[${i}]`, see));
  if ('map' in config) for (const [key, value] of config.map) eachTextOf(value, below(path, key), see);
}

/** A template, and the path of the text that it stands in. */
export type PlacedTemplate = Template & { path: string };

/** Every template of one or all namespaces, in the order of the document. */
export function templatesOf(bootstrap: Bootstrap, from?: Namespace): PlacedTemplate[] {
  const found: PlacedTemplate[] = [];
  eachText(bootstrap, (text, path) => {
    for (const part of text)
      if (typeof part !== 'string' && (from === undefined || part.from === from)) found.push({ ...part, path });
  });
  return found;
}

/** The names of all that a document wants from the server, each once. */
export type Uses = { secrets: string[]; site: SiteField[]; labels: string[] };

export function usesOf(bootstrap: Bootstrap): Uses {
  const templates = templatesOf(bootstrap);
  const of = (from: Namespace) => [...new Set(templates.filter((one) => one.from === from).map(({ name }) => name))];
  return { secrets: of('secret'), site: of('site') as SiteField[], labels: of('label') };
}

/** What is allowed and probably not meant: a secret in a URL whose signs would end it. */
export function warningsOf(bootstrap: Bootstrap): Problem[] {
  const warnings: Problem[] = [];
  eachText(bootstrap, (text, path) => {
    let inUrl = false;
    for (const part of text) {
      if (typeof part === 'string') inUrl = isInUrl(part, inUrl);
      else if (inUrl && part.from === 'secret' && !part.filters.includes('uri')) {
        const message = `{{secret.${part.name}}} stands in a URL without | uri: a sign in it may change where the URL leads`;
        warnings.push({ path, message, line: part.line, column: part.column });
      }
    }
  });
  return warnings;
}

/** Whether a URL goes on behind a literal part: nothing since its scheme has ended it. */
function isInUrl(literal: string, before: boolean): boolean {
  let end = literal.length;
  while (end > 0 && !' \t\r\n"\'`<>'.includes(literal[end - 1]!)) end--;
  return literal.slice(end).includes('://') || (before && end === 0);
}
