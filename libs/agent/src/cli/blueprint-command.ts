import { describeProblem, environmentTemplates, parse } from '../../../blueprint/index.js';
import { readText } from '../blueprints/follow-file.js';
import { EXIT, type ExitCode } from './exit-codes.js';

/**
 * `gatehouse-agent blueprint check FILE`: the same reading as before it is sent, offline. `-` is standard input.
 * @returns exit code 0 nothing wrong, 65 problems, 66 no file; and what to print
 */
export function checkBlueprint(file: string, env: NodeJS.ProcessEnv): { code: ExitCode; text: string } {
  // A standard input that is a socket can be read and not be opened by its name.
  const read = readText(file === '-' || file === '/dev/stdin' ? 0 : file, true);
  if ('reason' in read) return { code: EXIT.noInput, text: `${file}: ${read.reason}\n` };
  if ('problem' in read) return { code: EXIT.data, text: `${file}:${describeProblem(read.problem)}\n` };
  const parsed = parse(read.text, { templates: environmentTemplates(env) });
  if (!parsed.ok)
    return {
      code: EXIT.data,
      text: parsed.problems.map((problem) => `${file}:${describeProblem(problem)}\n`).join(''),
    };
  const { publicResources, privateResources, sites } = parsed.model;
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  return {
    code: EXIT.ok,
    text: `${file}: ${count(publicResources.length, 'public resource')}, ${count(privateResources.length, 'private resource')}, ${count(sites.length, 'site')}: nothing wrong\n`,
  };
}
