/**
 * The line that enrols a machine, exactly as the server prints it and as a test runs it.
 * It needs node and a POSIX shell, nothing else: no curl, no wget. `printf` is built into the shell, so the key is in no process's
 * arguments; node fetches the installer and hands it to /bin/sh with the pipe as its standard input. `--run` starts the agent in the
 * foreground where there is no systemd to do so.
 *
 * @param publicUrl base URL of the server as machines reach it
 * @param key       a provisioning key
 */
export function enrolLine(publicUrl: string, key: string): string {
  const url = `${new URL(publicUrl).href.replace(/\/+$/, '')}/install.sh`.replace(/['"$`\\!]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  const script = `fetch('${url}').then(r=>r.ok?r.text():Promise.reject(r.status)).then(s=>process.exitCode=require('child_process').spawnSync('/bin/sh',['-c',s,'sh','--key-file','-','--run'],{stdio:'inherit'}).status)`;
  return `printf %s '${key.replaceAll("'", `'\\''`)}' | node -e "${script}"`;
}
