import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/** Makes one program of a source, for a process of its own that a test may kill; imports are relative to the repository. */
export function bundle(contents: string, outfile: string): string {
  buildSync({
    stdin: { contents, loader: 'ts', resolveDir: fileURLToPath(new URL('../..', import.meta.url)) },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['gatehouse-source'],
    banner: { js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" },
    logLevel: 'error',
  });
  return outfile;
}
