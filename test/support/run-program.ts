import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a program of the built server that is expected to end by itself, with this environment and PATH alone. `cwd` has no `.env`.
 * @param preload modules loaded before it, as of a server (server.ts)
 * @returns code -1 when it was killed
 */
export function runToEnd(
  program: 'main' | 'admin',
  env: Record<string, string>,
  args: string[] = [],
  {
    cwd = tmpdir(),
    preload = [],
    onOutput,
  }: { cwd?: string; preload?: string[]; onOutput?: (kill: () => void) => void } = {},
): Promise<Ended> {
  const script = fileURLToPath(new URL(`../../dist/src/${program}.js`, import.meta.url));
  const options = { cwd, env: { PATH: process.env['PATH'], HOST: '127.0.0.1', ...env } };
  return new Promise((done) => {
    const imports = preload.flatMap((module) => ['--import', module]);
    const child = execFile(process.execPath, [...imports, script, ...args], options, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
    if (onOutput) child.stdout!.once('data', () => onOutput(() => void child.kill('SIGKILL')));
  });
}
