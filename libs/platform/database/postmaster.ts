import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs';
import { join } from 'node:path';
import { isAlive } from '../runtime/is-alive.mjs';

/** What `postmaster.pid` says; PostgreSQL documents its lines in miscadmin.h. */
export interface PostmasterFile {
  pid: number;
  dataDir: string;
  port: number;
  socketDir: string;
  address: string;
  ready: boolean;
}

export function readPostmasterFile(data: string): PostmasterFile | undefined {
  let text: string;
  try {
    text = readFileSync(join(data, 'postmaster.pid'), 'utf8');
  } catch {
    return undefined;
  }
  const [pid = '', dataDir = '', , port = '', socketDir = '', address = '', , status = ''] = text
    .split('\n')
    .map((line) => line.trim());
  return { pid: Number(pid), dataDir, port: Number(port), socketDir, address, ready: status === 'ready' };
}

/**
 * What stands behind the pid of a `postmaster.pid`: `gone`, a `server` on this data directory, or a
 * `stranger` (a pid used again after a reboot, or a zombie nobody reaps) while no process uses the data.
 * `unknown` when that cannot be told.
 */
export function inspectPostmaster(data: string, pid: number): 'gone' | 'server' | 'stranger' | 'unknown' {
  if (!isAlive(pid)) return 'gone';
  if (process.platform === 'linux') {
    const users = processesIn(data);
    if (users.includes(pid)) return 'server';
    return users.length > 0 ? 'unknown' : 'stranger';
  }
  if (process.platform === 'win32') return 'unknown';
  const command = spawnSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' }).stdout;
  return command.includes('postgres') ? 'server' : 'stranger';
}

/** The cluster's identity as written in its control file (the first eight bytes), as PostgreSQL prints it. */
export function systemIdentifier(data: string): string {
  const bytes = Buffer.alloc(8);
  const handle = openSync(join(data, 'global', 'pg_control'), 'r');
  try {
    readSync(handle, bytes, 0, 8, 0);
  } finally {
    closeSync(handle);
  }
  return bytes.readBigUInt64LE().toString();
}

/** Every PostgreSQL process has its data directory as working directory. */
function processesIn(data: string): number[] {
  const real = existsSync(data) ? realpathSync(data) : data;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readlinkSync(`/proc/${name}/cwd`) === real;
      } catch {
        return false;
      }
    })
    .map(Number);
}
