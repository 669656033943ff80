import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSigned } from './certificate.js';
import { hasProgram } from './readme.js';
import { until } from './server.js';

export const NGINX_SCRIPTS = '/usr/lib/nginx/modules/ngx_http_js_module.so';

/** Caddy as docs/credentials.md asks for it. */
export function hasNewCaddy(): boolean {
  const { stdout } = spawnSync('caddy', ['version'], { encoding: 'utf8' });
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(stdout ?? '') ?? [];
  return Number(major) * 100 + Number(minor) >= 211;
}

export const hasNginxScripts = (): boolean => hasProgram('nginx') && existsSync(NGINX_SCRIPTS);

/** @returns the lines of a page that stand in the first block after a line that begins so. */
export function configOf(page: string, after: string): string {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8');
  const found = new RegExp(`\\n${after}[^\`]*(?:\`[^\`\n]+\`[^\`]*)*\`\`\`\\w*\\n([\\s\\S]*?)\`\`\``).exec(text);
  if (!found) throw new Error(`${page} has no lines after ${after}`);
  return found[1]!;
}

/** A proxy that is no part of Gatehouse, run in a folder of its own from a configuration of the docs. */
export class ForeignProxy {
  readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-proxy-'));
  readonly cert = join(this.folder, 'cert.pem');
  readonly key = join(this.folder, 'key.pem');
  private child: ChildProcess | undefined;
  private printed = '';

  private constructor() {}

  /** @returns one with a certificate and its key in its folder, not running yet */
  static async create(): Promise<ForeignProxy> {
    const proxy = new ForeignProxy();
    const pair = await selfSigned('0f');
    writeFileSync(proxy.cert, pair.cert);
    writeFileSync(proxy.key, pair.key);
    return proxy;
  }

  /** Puts a file into the folder. @returns its path */
  file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** What stands around servers of nginx, in one process that writes nothing outside the folder. @param http what is in `http { }` */
  nginx(http: string, before = ''): string[] {
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${this.folder}/${name};`,
    );
    const file = this.file(
      'nginx.conf',
      `${before}daemon off;\nmaster_process off;\npid ${this.folder}/nginx.pid;\nerror_log stderr;\nevents {}\n` +
        `http {\naccess_log off;\n${paths.join('\n')}\n${http}}\n`,
    );
    return ['-p', this.folder, '-e', 'stderr', '-c', file];
  }

  /** Runs it until it is stopped. @param isUp asked until it says so */
  async run(program: string, args: string[], isUp: () => Promise<boolean>): Promise<void> {
    const { folder } = this;
    const env = { PATH: process.env['PATH'] ?? '', HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    const child = spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => (this.printed = (this.printed + String(data)).slice(-10_000)));
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}:\n${this.printed}`);
      return isUp().catch(() => false);
    });
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** It goes, and its folder with it. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
