import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { constants, Script } from 'node:vm';
import { crc32 } from 'node:zlib';

export interface Bundle {
  /** What V8 made of the text: `cachedDataRejected` says whether it took the cache. */
  script: Script;
  /** Beside the bundle, named by its text: V8 itself compares no more of it than its length. */
  cacheFile: string;
  exports: { run(): Promise<void> };
}

/**
 * Compiles a file that `scripts/build-server.mjs` made, from what V8 kept of compiling it at the build, and runs the modules in it
 * (docs/adr/0105). A cache that is not there, or that is of another Node or another processor, costs the time of compiling.
 * @param filename what stack traces are to say: of a cache, what its build said
 */
export function loadBundle(file: string, filename = file): Bundle {
  const bytes = readFileSync(file);
  const cacheFile = `${file}.${crc32(bytes).toString(16)}.cache`;
  // V8 takes only what was made with the same flags. This one of `npm start` has done its work when the process is up.
  setFlagsFromString('--max-semi-space-size=0');
  // What outlives a rush of requests would be made in old space from then on, and keep alive all that belongs to it (docs/adr/0106).
  setFlagsFromString('--no-allocation-site-pretenuring');
  const script = new Script(Module.wrap(bytes.toString('latin1')), {
    filename,
    cachedData: cacheIn(cacheFile),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const module = { exports: {} as Bundle['exports'] };
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  return { script, cacheFile, exports: module.exports };
}

function cacheIn(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
