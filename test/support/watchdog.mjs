// Outlives a test run that is killed: once its standard input ends, it stops the run's database and removes its folders.
import { rmSync } from 'node:fs';

const [pid, ...folders] = process.argv.slice(2);
process.stdin.resume();
process.stdin.on('end', () => {
  try {
    process.kill(Number(pid), 'SIGQUIT');
  } catch {
    // The run has stopped it.
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});
