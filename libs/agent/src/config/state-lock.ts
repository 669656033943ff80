import { createHash, randomBytes } from 'node:crypto';
import { closeSync, linkSync, openSync, readdirSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeFolder, removeIfThere, resolveLinks } from './atomic-file.js';

/** Longest address of a socket that every system takes. */
const MAX_ADDRESS_BYTES = 103;
/** A candidate lives for milliseconds: one this old is of a process that was killed meanwhile. */
const ABANDONED_MS = 3_600_000;
/** Until a holder that stands still (SIGSTOP) is asked again, once the queue of those who wait at its socket is full. */
const ASK_AGAIN_MS = 30_000;

export type StateLock = { kind: 'held'; release(): void };
export type LockAttempt =
  | StateLock
  /** Somebody else holds it; `ended` resolves when they may do no longer, or after `leave`. */
  | { kind: 'busy'; ended: Promise<void>; leave(): void }
  /** The folder takes no lock: it is not writable, which is `expected` of an enrolled machine, or its file system has no sockets or links. */
  | { kind: 'impossible'; reason: string; expected: boolean };

/**
 * Takes the lock of a state file: at most one process of this machine and its containers holds it, and the kernel frees it when that process
 * ends, however it ends (docs/adr/0030-one-agent-per-state-file.md).
 *
 * The holder listens on a socket beside the file. Sockets are numbered, the highest number is the lock, and it is free when nobody listens
 * there. Who finds it free links a socket that already listens to the next number, which only one can. The highest number is never removed.
 */
export async function lockState(path: string): Promise<LockAttempt> {
  try {
    const target = resolveLinks(path);
    makeFolder(dirname(target));
    for (;;) {
      const attempt = process.platform === 'win32' ? await tryPipe(target) : await tryNumber(new LockFolder(target));
      if (attempt) return attempt;
    }
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    return { kind: 'impossible', reason: message, expected: ['EACCES', 'EROFS', 'ENOTDIR'].includes(code) };
  }
}

/** Whether somebody holds the lock of a state file just now. */
export async function isLocked(path: string): Promise<boolean> {
  try {
    const target = resolveLinks(path);
    const holder =
      process.platform === 'win32' ? await dial(pipeOf(target)) : await new LockFolder(target).dialHighest();
    holder?.destroy();
    return holder !== undefined;
  } catch (error) {
    return isQueueFull(error);
  }
}

/** The numbered sockets of one state file. */
class LockFolder {
  readonly folder: string;
  private readonly prefix: string;

  constructor(target: string) {
    this.folder = dirname(target);
    this.prefix = `.${basename(target)}.lock.`;
  }

  path(suffix: number | string): string {
    return join(this.folder, `${this.prefix}${suffix}`);
  }

  /** The highest number, 0 when there is none. */
  highest(): number {
    return Math.max(0, ...this.suffixes().filter(isNumber).map(Number));
  }

  async dialHighest(): Promise<Socket | undefined> {
    const highest = this.highest();
    return highest === 0 ? undefined : this.addressed(`${highest}`, dial);
  }

  /** Removes what the holder of a number outlived: lower numbers, and candidates of processes that were killed. */
  tidy(held: number): void {
    for (const suffix of this.suffixes()) {
      const path = this.path(suffix);
      if (isNumber(suffix) ? Number(suffix) < held : isAbandoned(path)) removeIfThere(path);
    }
  }

  /** Puts an empty file in the place of a number's socket: programs that copy folders stumble over sockets. */
  leave(held: number): void {
    const empty = this.path(candidateName());
    try {
      closeSync(openSync(empty, 'wx', 0o600));
      renameSync(empty, this.path(held));
    } catch {
      removeIfThere(empty); // a socket that nobody listens on does as well
    }
  }

  /** Calls with an address of a socket in the folder. On Linux it goes by a descriptor, so that the folder's path may be of any length. */
  async addressed<T>(suffix: string, use: (address: string) => Promise<T>): Promise<T> {
    const direct = this.path(suffix);
    if (process.platform !== 'linux') return use(checkedAddress(direct));
    const folder = openSync(this.folder, 'r');
    try {
      return await use(checkedAddress(`/proc/self/fd/${folder}/${basename(direct)}`));
    } finally {
      closeSync(folder);
    }
  }

  private suffixes(): string[] {
    return readdirSync(this.folder)
      .filter((name) => name.startsWith(this.prefix))
      .map((name) => name.slice(this.prefix.length));
  }
}

/** @returns undefined when the folder changed meanwhile: to be tried again */
async function tryNumber(locks: LockFolder): Promise<LockAttempt | undefined> {
  const candidate = candidateName();
  const listening = await locks.addressed(candidate, listen);
  try {
    const free = locks.highest();
    const holder = free === 0 ? undefined : await locks.addressed(`${free}`, dial);
    if (holder) {
      listening.close();
      return busy(holder);
    }
    const number = free + 1;
    if (!isNumber(`${number}`)) throw new Error('there is no higher number for a lock');
    linkSync(locks.path(candidate), locks.path(number));
    // A number that others have left behind meanwhile is no lock, though it was free.
    if (locks.highest() > number) {
      unlinkSync(locks.path(number));
      listening.close();
      return undefined;
    }
    locks.tidy(number);
    return held(listening, () => locks.leave(number));
  } catch (error) {
    listening.close();
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOENT') return undefined;
    if (isQueueFull(error)) return busyForNow();
    throw error;
  } finally {
    removeIfThere(locks.path(candidate));
  }
}

/** Named pipes of Windows leave nothing behind, and a name in use cannot be taken. */
async function tryPipe(target: string): Promise<LockAttempt | undefined> {
  try {
    return held(await listen(pipeOf(target)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const holder = await dial(pipeOf(target));
    return holder && busy(holder);
  }
}

function pipeOf(target: string): string {
  return `\\\\.\\pipe\\gatehouse-agent-${createHash('sha256').update(target.toLowerCase()).digest('hex')}`;
}

/** @param leave what is to be done before the lock is free */
function held(server: Server, leave: () => void = () => undefined): StateLock {
  const waiting = new Set<Socket>();
  server.on('connection', (socket) => {
    waiting.add(socket);
    socket.on('error', () => undefined).on('close', () => waiting.delete(socket));
    socket.resume().unref();
  });
  server.unref();
  return {
    kind: 'held',
    release: () => {
      leave();
      server.close();
      for (const socket of waiting) socket.destroy();
    },
  };
}

function busy(holder: Socket): LockAttempt {
  const ended = new Promise<void>((resolve) => holder.on('close', () => resolve()));
  holder.resume();
  return { kind: 'busy', ended, leave: () => holder.destroy() };
}

/** Without a connection whose end would tell: `ended` resolves after a while, to try again. */
function busyForNow(): LockAttempt {
  const left = new AbortController();
  const ended = delay(ASK_AGAIN_MS, undefined, { signal: left.signal }).catch(() => undefined);
  return { kind: 'busy', ended, leave: () => left.abort() };
}

/** Linux's answer for a socket that is listened on by somebody who accepts nothing any more. */
function isQueueFull(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAGAIN';
}

function listen(address: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    // Who may enter the folder may ask; the folder itself is 0700.
    server.listen({ path: address, readableAll: true, writableAll: true }, () => resolve(server));
  });
}

/** @returns undefined when nobody listens there */
function dial(address: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    socket.once('connect', () => resolve(socket));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'].includes(error.code ?? '')) resolve(undefined);
      else reject(error);
    });
  });
}

function checkedAddress(address: string): string {
  if (Buffer.byteLength(address) > MAX_ADDRESS_BYTES) throw new Error(`the path ${address} is too long for a socket`);
  return address;
}

function candidateName(): string {
  return `${process.pid}-${randomBytes(6).toString('hex')}`;
}

function isNumber(suffix: string): boolean {
  return /^[1-9]\d{0,14}$/.test(suffix);
}

function isAbandoned(path: string): boolean {
  try {
    return statSync(path).mtimeMs < Date.now() - ABANDONED_MS;
  } catch {
    return false;
  }
}
