import type { TrustFingerprint } from './instances.js';

/**
 * The line that enrols a machine, exactly as the server prints it and as a test runs it.
 * It needs node and a POSIX shell, nothing else: no curl, no wget. `printf` is built into the shell, so the key is in no process's
 * arguments; node fetches the installer and hands it to /bin/sh with the pipe as its standard input. `--run` starts the agent in the
 * foreground where there is no systemd to do so. What goes wrong on the way is one sentence. No `!`, `"`, `$` or backtick may be in the script:
 * shells read them between double quotes.
 *
 * @param publicUrl base URL of the server as machines reach it
 * @param key       a provisioning key
 * @param trust     whose statements the machine is to trust; the installer and the agent find it in their environment
 */
export function enrolLine(publicUrl: string, key: string, trust?: TrustFingerprint): string {
  const url = `${shellSafe(publicUrl)}/install.sh`;
  const script = [
    `fetch('${url}')`,
    `.then(r=>r.ok?r.text():Promise.reject(Error('it answered '+r.status)))`,
    `.then(s=>s.slice(2,9)=='/bin/sh'?s:Promise.reject(Error('what answers there is not Gatehouse')))`,
    `.then(s=>process.exitCode=require('child_process').spawnSync('/bin/sh',['-c',s,'sh','--key-file','-','--run'],{stdio:'inherit'}).status,`,
    `e=>{e=e.cause||e;e=e.message||e.code;console.error('Not enrolled: ${url}: '+e.trim()+(/certificate/.test(e)?'; set NODE_EXTRA_CA_CERTS to the file of a private authority':''));process.exitCode=69})`,
  ].join('');
  const variable = trust === undefined ? '' : `GATEHOUSE_TRUST_FINGERPRINT=${trust} `;
  return `printf %s '${key.replaceAll("'", `'\\''`)}' | ${variable}node -e "${script}"`;
}

/**
 * The installer as the server hands it out.
 *
 * @param template text of libs/agent/install.sh, beside the bundle in dist/agent
 * @param publicUrl base URL of the server as machines reach it
 * @param bundle    version and SHA-256 of the bundle (dist/agent/version.json)
 */
export function fillInstaller(
  template: string,
  publicUrl: string,
  bundle: { version: string; sha256: string },
): string {
  const values: Record<string, string> = {
    ENDPOINT: shellSafe(publicUrl),
    SHA256: bundle.sha256,
    VERSION: bundle.version,
  };
  return template.replace(/@(ENDPOINT|SHA256|VERSION)@/g, (_, name: string) => values[name] ?? '');
}

/** A URL without trailing slash that can stand in any kind of quotes. */
function shellSafe(url: string): string {
  return new URL(url).href.replace(/\/+$/, '').replace(/['"$`\\!]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
}
