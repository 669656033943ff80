import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentExit, EXIT } from '../cli/exit-codes.js';
import { makeFolder, removeIfThere, resolveLinks, writeFileAtomic } from '../config/atomic-file.js';
import type { LeaseTime } from './lease-time.js';
import type { TrustedKey } from './trust.js';

/** What an instance keeps beside its state file. No value of a secret is in it but in the sealed bundle. */
export type InstanceFacts = {
  /** Id of the credential: what is kept of another site is nothing to this one. */
  site: string;
  /** Of the first bundle that was verified; every later statement must name the same. */
  org?: string;
  device?: string;
  trust: TrustedKey[];
  /** The highest version that was applied: an older one is a replay. */
  applied: number;
  /** The bundle that is kept for the offline case. */
  bundle?: KeptBundle;
  lease?: { jti: string; seconds: number; time: LeaseTime; iat?: number };
  /** When the server refused the credential without a statement: nothing starts from what is stored. */
  refused?: string;
  /** The site is over. `credential` is a digest of the secret: a credential of a later claim is another one. */
  revoked?: { at: string; reason: string; credential: string };
  /** `iat` of the revocation that ended the life of this site before the claim. */
  formerEnd?: number;
  failed?: { version: number; reason: string; at: string };
};
export type FactChanges = { [K in keyof InstanceFacts]?: InstanceFacts[K] | undefined };
type KeptBundle = { version: number; digest: string; etag?: string };

const FACTS = 'instance.json';

/** Files of an instance in a folder beside the state file, each replaced whole; the facts name what else is there. */
export class InstanceState {
  private constructor(
    readonly folder: string,
    private current: InstanceFacts | undefined,
  ) {}

  /** @throws AgentExit 73 when the facts cannot be read, or are none: to forget them would be to forget a revocation */
  static open(configFile: string): InstanceState {
    const folder = `${resolveLinks(configFile).replace(/\.json$/, '')}.instance`;
    const path = join(folder, FACTS);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return new InstanceState(folder, undefined);
      throw new AgentExit(EXIT.stateNotWritable, `${path} cannot be read: ${message}`);
    }
    try {
      return new InstanceState(folder, JSON.parse(text) as InstanceFacts);
    } catch {
      throw new AgentExit(EXIT.stateNotWritable, `${path} is not JSON: remove it if this machine was not revoked`);
    }
  }

  get facts(): Readonly<InstanceFacts> | undefined {
    return this.current;
  }

  /** The facts of this site; of another one nothing is kept. */
  of(site: string): Readonly<InstanceFacts> {
    return this.current?.site === site ? this.current : { site, trust: [], applied: 0 };
  }

  /** Changes facts that are of no use alone: they are written with the next change. */
  note(site: string, changes: FactChanges): void {
    this.current = { ...this.of(site), ...changes } as InstanceFacts;
  }

  /** A site that was over is this machine's again, or another one is, by a new claim. @throws AgentExit 73 */
  beginAgain(site: string): void {
    const ended = this.current?.revoked && Date.parse(this.current.revoked.at) / 1000;
    this.change(site, { revoked: undefined, refused: undefined, formerEnd: ended });
  }

  /** Changes facts of a site, `undefined` removes one. @throws AgentExit 73 */
  change(site: string, changes: FactChanges): void {
    const next = { ...this.of(site), ...changes } as InstanceFacts;
    this.writing(() => writeFileAtomic(join(this.folder, FACTS), JSON.stringify(next, null, 2)));
    this.current = next;
  }

  /** Keeps a sealed bundle in the place of the one before. @throws AgentExit 73 */
  keep(site: string, bundle: KeptBundle, token: string, changes: FactChanges): void {
    const name = nameOf(bundle);
    this.writing(() => writeFileAtomic(join(this.folder, name), token));
    this.change(site, { ...changes, bundle });
    this.removeBundles(name);
  }

  /** The sealed bundle; undefined when it is gone. */
  kept(bundle: KeptBundle): string | undefined {
    try {
      return readFileSync(join(this.folder, nameOf(bundle)), 'utf8');
    } catch {
      return undefined;
    }
  }

  /** Removes what an agent that was killed has left beside the bundle that is kept. */
  tidy(): void {
    const kept = this.current?.bundle;
    this.removeBundles(kept && nameOf(kept));
  }

  /** Removes every sealed bundle but one, and what a crash left of writing them. */
  removeBundles(but?: string): void {
    let names: string[] = [];
    try {
      names = readdirSync(this.folder);
    } catch {
      // nothing was ever kept
    }
    for (const name of names) if (name.includes('.jwe') && name !== but) removeIfThere(join(this.folder, name));
  }

  /** A folder below, made. @throws AgentExit 73 */
  below(name: string): string {
    const path = join(this.folder, name);
    this.writing(() => makeFolder(path));
    return path;
  }

  private writing(write: () => void): void {
    try {
      write();
    } catch (error) {
      throw new AgentExit(EXIT.stateNotWritable, `${this.folder} cannot be written: ${(error as Error).message}`);
    }
  }
}

/** How a revocation names the credential that is over. */
export function credentialDigest(secret: string): string {
  return createHash('sha256').update(`gatehouse revoked ${secret}`).digest('base64url');
}

function nameOf({ digest }: KeptBundle): string {
  return `${digest}.jwe`;
}
