// Preloaded into an agent: SIGKILL before the n-th call that changes the disk, n from KILL_AT_WRITE. The status report is not counted.
// An agent that lives on prints the calls when it ends.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const at = Number(process.env.KILL_AT_WRITE);
const open = new Map();
const calls = [];

for (const name of [
  'mkdirSync',
  'linkSync',
  'openSync',
  'writeSync',
  'fsyncSync',
  'renameSync',
  'symlinkSync',
  'rmSync',
]) {
  const original = fs[name];
  fs[name] = (...args) => {
    const path = typeof args[0] === 'number' ? open.get(args[0]) : String(args[name === 'symlinkSync' ? 1 : 0]);
    const reads = name === 'openSync' && (args[1] ?? 'r') === 'r';
    const counts = path?.startsWith(process.env.KILL_BELOW) && !path.includes('.status.json') && !reads;
    if (counts && calls.push(name) === at) process.kill(process.pid, 'SIGKILL');
    const result = original(...args);
    if (name === 'openSync') open.set(result, path);
    return result;
  };
}
syncBuiltinESMExports();
process.on('exit', () => process.stderr.write(`\ndisk: ${calls.join(' ')}\n`));
