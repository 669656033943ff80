// `npm start`: installs and builds what is missing or has changed, then runs the server in this process.
import { setUp } from './setup.mjs';

setUp();
stopWithNpm();
await import('../dist/src/main.js');

/** npm passes a signal to its shell only, which dies without passing it on; then the server would stay behind, unseen. */
function stopWithNpm() {
  const { ppid } = process;
  if (!process.env.npm_lifecycle_event) return;
  setInterval(() => process.ppid === ppid || process.kill(process.pid, 'SIGTERM'), 250).unref();
}
