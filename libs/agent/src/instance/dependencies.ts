import { createHash, type Hash } from 'node:crypto';
import { constants, createReadStream, lstatSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { copyFile, open, rename } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { AgentExit, EXIT, misconfigured } from '../cli/exit-codes.js';
import { makeFolder, removeIfThere, writeFileAtomic } from '../config/atomic-file.js';
import type { Log } from '../log.js';
import { DependencyAllow } from './dependency-allow.js';
import {
  DownloadFailure,
  type DownloadReason,
  type DownloadRules,
  download,
  httpUrl,
  type Range,
  shown,
} from './download.js';

/** A file that a bundle names; `url` as it is to be asked. */
export type Dependency = { name: string; url: string; sha256: string; size: number };

/** `reason` is what is acknowledged; the message names the dependency, for the log. */
export class DependencyFailure extends Error {
  constructor(
    readonly reason: DownloadReason,
    message: string,
  ) {
    super(message);
    this.name = 'DependencyFailure';
  }
}

export type DependencyOptions = {
  /** The cache, which belongs to the agent alone: a folder below its state folder. */
  folder: string;
  /** `--dependency-allow` */
  allow: readonly string[];
  env: NodeJS.ProcessEnv;
  /** Certificates that are trusted beside the public ones, as PEM. */
  ca?: readonly string[];
  log: Log;
  limits?: Partial<typeof LIMITS>;
  lookup?: DownloadRules['lookup'];
};

const LIMITS = {
  answerMs: 30_000,
  /** A download that brings fewer than `slowBytes` in `slowMs` is given up, and resumed the next time. */
  slowMs: 30_000,
  slowBytes: 30 * 1024,
  /** How often one call goes on where a connection broke. */
  resumes: 5,
};

/**
 * Fetches what bundles depend on and keeps it, by its SHA-256, for as long as an applied bundle names it (docs/instances.md §7.1, §7.2).
 * A file counts only with the size and the digest that the bundle says.
 */
export class DependencyCache {
  private readonly limits: typeof LIMITS;
  private readonly rules: DownloadRules;

  /** @throws AgentExit 78 for a pattern of `--dependency-allow` that is none, or a folder of somebody else; 73 when it cannot be made */
  constructor(private readonly options: DependencyOptions) {
    this.limits = { ...LIMITS, ...options.limits };
    const { env, ca = [], lookup } = options;
    this.rules = {
      allow: new DependencyAllow(options.allow),
      env,
      ca,
      answerMs: this.limits.answerMs,
      ...(lookup ? { lookup } : {}),
    };
    try {
      makeFolder(options.folder);
    } catch (error) {
      throw this.cannotWrite(error);
    }
    const folder = lstatSync(options.folder);
    if (!folder.isDirectory() || (process.geteuid && folder.uid !== process.geteuid()))
      throw misconfigured(`${options.folder} is no folder of the agent's own`);
  }

  /**
   * Fetches what is not there yet, one after the other. What came of a download that broke off stays, and the next call goes on with it.
   * @throws DependencyFailure, AgentExit 73; the signal's reason
   */
  async fetchAll(dependencies: readonly Dependency[], signal: AbortSignal): Promise<void> {
    for (const dependency of dependencies) await this.fetch(dependency, signal);
  }

  /**
   * Copies a dependency, as a clone where the file system has them, and reads the copy to see that it is what the bundle says. What has been
   * changed or damaged in the cache is fetched again.
   * @throws DependencyFailure, AgentExit 73; the signal's reason
   */
  async copyTo(dependency: Dependency, target: string, signal: AbortSignal): Promise<void> {
    for (let again = false; ; again = true) {
      await this.fetch(dependency, signal);
      await copyFile(this.path(dependency), target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      if ((await digestOf(target)).digest('hex') === dependency.sha256) return;
      rmSync(target);
      this.drop(dependency);
      if (again) throw failure(dependency, new DownloadFailure('digest', 'its copy has another SHA-256'));
      this.options.log.warn(`the dependency ${dependency.name} was damaged in the cache; fetching it again`);
    }
  }

  /** Removes everything that these do not name: the dependencies of the bundles that are applied, or being fetched. */
  keepOnly(dependencies: readonly Pick<Dependency, 'sha256'>[]): void {
    const named = new Set(dependencies.map(({ sha256 }) => sha256));
    for (const name of readdirSync(this.options.folder))
      if (!named.has(name.slice(0, 64))) removeIfThere(join(this.options.folder, name));
  }

  private async fetch(dependency: Dependency, signal: AbortSignal): Promise<void> {
    if (sizeOf(this.path(dependency)) === dependency.size) return;
    for (let resumes = 0; ; resumes++) {
      signal.throwIfAborted();
      const attempt = new Attempt(dependency, this.partOf(dependency), this.rules, this.limits, signal);
      try {
        await attempt.run();
        await rename(this.partOf(dependency), this.path(dependency));
        removeIfThere(validatorOf(this.partOf(dependency)));
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof DownloadFailure)) throw this.cannotWrite(error);
        const startOver = error.reason === 'digest' && attempt.resumed;
        const goOn = error.reason === 'unreachable' && attempt.answered;
        if (error.reason === 'size' || error.reason === 'digest') this.drop(dependency);
        if (!(startOver || goOn) || resumes >= this.limits.resumes) throw failure(dependency, error);
        this.options.log.debug(`the dependency ${dependency.name}: ${error.message}; going on`);
      }
    }
  }

  private path({ sha256 }: Dependency): string {
    return join(this.options.folder, sha256);
  }

  private partOf(dependency: Dependency): string {
    return `${this.path(dependency)}.part`;
  }

  private drop(dependency: Dependency): void {
    removeIfThere(this.path(dependency));
    removeIfThere(this.partOf(dependency));
    removeIfThere(validatorOf(this.partOf(dependency)));
  }

  private cannotWrite(error: unknown): AgentExit {
    return new AgentExit(
      EXIT.stateNotWritable,
      `dependencies cannot be kept in ${this.options.folder}: ${(error as Error).message}`,
    );
  }
}

/** One download into the file of what came so far. */
class Attempt {
  /** The server sent the file, or began to. */
  answered = false;
  private received = 0;
  /** It went on with what an earlier one had left. */
  resumed = false;

  constructor(
    private readonly dependency: Dependency,
    private readonly part: string,
    private readonly rules: DownloadRules,
    private readonly limits: typeof LIMITS,
    private readonly signal: AbortSignal,
  ) {}

  /** @throws DownloadFailure, or the system's error when the part cannot be written */
  async run(): Promise<void> {
    const { url: address, sha256 } = this.dependency;
    const url = httpUrl(address);
    if (!url) throw new DownloadFailure('unreachable', 'its URL is no http:// or https:// URL');
    const range = this.rangeLeft();
    const before = range && (await digestOf(this.part));
    const answer = await download(url, range, this.rules, this.signal);
    this.answered = true;
    try {
      const from = this.beginning(answer, range);
      if (from === 0) this.noteValidator(answer);
      const hash = (from > 0 && before) || createHash('sha256');
      await this.read(answer, from, hash, url);
      const got = hash.digest('hex');
      if (got !== sha256)
        throw new DownloadFailure('digest', `${shown(url)} has SHA-256 ${got}, the bundle says ${sha256}`);
    } finally {
      answer.destroy();
    }
  }

  /** What there is to go on with: a part, and how the server told its file from others. */
  private rangeLeft(): Range | undefined {
    const from = sizeOf(this.part) ?? 0;
    if (from === 0 || from >= this.dependency.size) return undefined;
    try {
      return { from, validator: readFileSync(validatorOf(this.part), 'utf8') };
    } catch {
      return undefined;
    }
  }

  /** @returns where the body of the answer begins. @throws DownloadFailure when it is not as long as the bundle says */
  private beginning({ statusCode, headers }: IncomingMessage, range: Range | undefined): number {
    const { size } = this.dependency;
    const wrong = (bytes: number) => new DownloadFailure('size', `it is of ${bytes} bytes, the bundle says ${size}`);
    if (statusCode === 416) throw wrong(range?.from ?? 0);
    const length = headers['content-length'] === undefined ? undefined : Number(headers['content-length']);
    if (statusCode === 200) {
      if (length !== undefined && length !== size) throw wrong(length);
      return 0;
    }
    const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
    if (range === undefined || Number(from) !== range.from)
      throw new DownloadFailure('status', 'it answers another part than was asked for');
    if (total !== '*' && Number(total) !== size) throw wrong(Number(total));
    this.resumed = true;
    return range.from;
  }

  private noteValidator({ headers }: IncomingMessage): void {
    const validator = headers.etag?.startsWith('"') ? headers.etag : headers['last-modified'];
    if (validator === undefined) removeIfThere(validatorOf(this.part));
    else writeFileAtomic(validatorOf(this.part), validator);
  }

  private async read(answer: IncomingMessage, from: number, hash: Hash, url: URL): Promise<void> {
    const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_NOFOLLOW } = constants;
    const file = await open(this.part, O_WRONLY | O_CREAT | O_NOFOLLOW | (from === 0 ? O_TRUNC : O_APPEND), 0o600);
    const { slowMs, slowBytes } = this.limits;
    let before = 0;
    const watch = setInterval(() => {
      if (this.received - before < slowBytes)
        answer.destroy(new Error(`fewer than ${slowBytes} bytes in ${slowMs / 1000} s`));
      before = this.received;
    }, slowMs);
    try {
      for await (const chunk of chunksOf(answer, url, this.signal)) {
        this.received += chunk.length;
        if (from + this.received > this.dependency.size)
          throw new DownloadFailure('size', `${shown(url)} is longer than ${this.dependency.size} bytes`);
        hash.update(chunk);
        await file.writeFile(chunk);
      }
    } finally {
      clearInterval(watch);
      await file.close();
    }
    if (from + this.received < this.dependency.size)
      throw new DownloadFailure('size', `${shown(url)} is only of ${from + this.received} bytes`);
  }
}

/** The body, with the errors of the network told from those of the disk. */
async function* chunksOf(answer: IncomingMessage, url: URL, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of answer) yield chunk as Buffer;
  } catch (error) {
    signal.throwIfAborted();
    throw new DownloadFailure('unreachable', `${shown(url)}: ${(error as Error).message}`);
  }
}

function failure({ name }: Dependency, { reason, message }: DownloadFailure): DependencyFailure {
  return new DependencyFailure(reason, `the dependency ${name}: ${message}`);
}

function validatorOf(part: string): string {
  return `${part}.validator`;
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

async function digestOf(path: string): Promise<Hash> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash;
}
