// `npm start`: looks whether a server can be here, installs and builds what is missing or has changed, then runs it in this process.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { asMessage, readEnvironment, textOf } from '../libs/platform/config/environment.mjs';
import { placeProblems } from '../libs/platform/runtime/place.mjs';
import { checkNode, fail, root, setUp } from './setup.mjs';

process.chdir(root);
checkNode();
await checkPlace();
await setUp();
stopWithNpm();
await import(new URL('../dist/server/main.js', import.meta.url).href);

/** What the server itself would refuse to start for, told before minutes are spent on packages and a build. */
async function checkPlace() {
  const { variables, problems } = readEnvironment(process.env, root);
  if (problems.length > 0) fail(asMessage(problems));
  /** @type {(name: import('../libs/platform/config/environment.mjs').VariableName) => string} */
  const text = (name) => textOf(variables, name);
  const found = await placeProblems({
    dataDir: resolve(text('DATA_DIR')),
    embedded: text('DATABASE_URL') === '',
    host: text('HOST'),
    port: Number(text('PORT')),
    edgePort: variables['EDGE_PORT']?.trim() ? Number(text('EDGE_PORT')) : undefined,
    deviceTlsPort: text('DEVICE_TLS_PORT') === '' ? undefined : Number(text('DEVICE_TLS_PORT')),
    metricsPort: text('METRICS_PORT') === '' ? undefined : Number(text('METRICS_PORT')),
    tls: text('TLS_CERT_FILE') === '' ? undefined : { certFile: text('TLS_CERT_FILE'), keyFile: text('TLS_KEY_FILE') },
  });
  if (found.length > 0) fail(found.join('\n'));
}

/**
 * npm passes a signal to its shell only, which dies without passing it on; killed outright, it passes nothing, and its shell lives. Either way
 * the server would stay behind, unseen: so it watches both.
 */
function stopWithNpm() {
  const { ppid } = process;
  if (!process.env.npm_lifecycle_event) return;
  const above = parentOf(ppid);
  // A shell that makes way for its only command leaves npm as the parent, and above it somebody's terminal, which may close.
  const npm = isNpm(above) && !isNpm(ppid) ? above : undefined;
  const gone = () => process.ppid !== ppid || (npm !== undefined && parentOf(ppid) !== npm);
  setInterval(() => gone() && process.kill(process.pid, 'SIGTERM'), 250).unref();
}

/** The parent of npm's shell: npm, unless that shell is npm itself. Undefined where the system does not tell. */
function parentOf(pid) {
  try {
    // The fields after the name, which may hold anything: state, parent.
    const parent = /\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1];
    return parent === undefined ? undefined : Number(parent);
  } catch {
    return undefined;
  }
}

function isNpm(pid) {
  try {
    return /\bnpm\b/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
  } catch {
    return false;
  }
}
