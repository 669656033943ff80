import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const README = new URL('../../README.md', import.meta.url);

/** Whether this machine has a program. */
export const hasProgram = (name: string): boolean => spawnSync(name, ['--version']).error === undefined;

/** Runs the lines that the README has for a kind of credential, in a folder. @returns what they print */
export function runCredentialLines(kind: 'psk' | 'certificate', cwd: string, env: Record<string, string>): string {
  const lines = new RegExp(`\`\`\`sh\n# ${kind}: ([\\s\\S]*?)\`\`\``).exec(readFileSync(README, 'utf8'))?.[0];
  if (!lines) throw new Error(`The README has no lines for ${kind}`);
  const script = lines.replaceAll('```', '').replace(/^sh\n/, '');
  const options = {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    encoding: 'utf8',
    timeout: 120_000,
  } as const;
  const { stdout, stderr } = spawnSync('sh', ['-c', script], options);
  return `${stdout}${stderr}`;
}
