// Preloaded into an agent: SIGSTOP at a step of its start, STOP_AT names it. The test lets it go on with SIGCONT, or kills it there.
// Steps that the server sees are held by the test's server.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const stop = () => process.kill(process.pid, 'SIGSTOP');
const isState = (path) => /[/.]config\.json(\.|$)/.test(String(path)) && !String(path).includes('.status.');

/** Stops before or after the n-th call of a function of fs whose path, the argument at `of`, is the state file's. */
function at(name, nth, when, of = 0) {
  const original = fs[name];
  let calls = 0;
  fs[name] = (...args) => {
    const here = isState(args[of]) && ++calls === nth;
    if (here && when === 'before') stop();
    const result = original(...args);
    if (here && when === 'after') stop();
    return result;
  };
  syncBuiltinESMExports();
}

const steps = {
  read: () => at('readFileSync', 1, 'after'),
  locked: () => at('linkSync', 1, 'after', 1),
  'identity stored': () => at('renameSync', 1, 'after', 1),
  'claim answered': () => at('renameSync', 2, 'before', 1),
  'credential stored, key removed': () => at('renameSync', 2, 'after', 1),
};
steps[process.env.STOP_AT]?.();
