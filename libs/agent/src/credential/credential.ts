import { RENEW_AT, RENEW_SPREAD } from '../../../contracts/index.js';
import type { FileContent } from '../config/config-file.js';
import type { AgentContext } from '../context.js';

/**
 * What this machine authenticates with: id and secret of a newt credential or, with `certificate`, a client certificate (PEM, with its chain) whose
 * key is `secret` (PEM) and whose id is the device's.
 */
export type Credential = { id: string; secret: string; certificate?: string };

/** RFC 3339, by this machine's clock. Neither is there for a credential without an end, or one that nobody said it of. */
export type Lifetime = { expiresAt?: string; renewAt?: string };

/** One that the server has issued and that was not used yet. */
export type NextCredential = Credential & Lifetime;

/** Keys of the state file. `id` and `secret` are those of a newt's file, for agents of all versions (docs/agent-protocol.md rule 50). */
export const NO_CREDENTIAL = {
  id: undefined,
  secret: undefined,
  certificate: undefined,
  next: undefined,
  issued: undefined,
};

/** A site keeps its name while its credentials follow each other: what is stored beside the state file is found by it. */
type Issued = Lifetime & { id: string; site: string };

/** By which this machine knows its site: the id of the credential that it claimed. */
export function siteOf(content: FileContent, id: string): string {
  return issuedOf(content, id)?.site ?? id;
}

/** Of the credential with this id; nothing is known of one that somebody else wrote into the file. */
export function lifetimeOf(content: FileContent, id: string): Lifetime {
  const { expiresAt, renewAt } = issuedOf(content, id) ?? {};
  return lifetime(expiresAt, renewAt);
}

/** The credential that is stored beside the current one until it was used. */
export function nextOf(content: FileContent): NextCredential | undefined {
  const { id, secret, certificate, expiresAt, renewAt } = objectIn(content['next']);
  if (!isText(id) || !isText(secret)) return undefined;
  return { id, secret, ...(isText(certificate) ? { certificate } : {}), ...lifetime(expiresAt, renewAt) };
}

/** What becomes of the state file when a credential is the current one. @param site see {@link siteOf} */
export function current(credential: NextCredential, site: string): FileContent {
  const { id, secret, certificate, expiresAt, renewAt } = credential;
  const life = lifetime(expiresAt, renewAt);
  const issued: Issued | undefined = site === id && Object.keys(life).length === 0 ? undefined : { id, site, ...life };
  return { id, secret, certificate, next: undefined, issued };
}

/**
 * When the credential ends and, drawn once, when it is renewed: a fleet that was claimed in one minute does not ask for the next one in one minute.
 * @param expiresAt as the server says it
 * @param date what the server's clock showed, where it has one; this machine's need not agree
 */
export function lifetimeFrom(
  expiresAt: string | null | undefined,
  date: number | undefined,
  { clock, random }: Pick<AgentContext, 'clock' | 'random'>,
): Lifetime {
  const now = clock.now();
  const left = Date.parse(expiresAt ?? '') - (date ?? now);
  if (Number.isNaN(left)) return {};
  const at = (ms: number) => new Date(now + ms).toISOString();
  return { expiresAt: at(left), renewAt: at(Math.max(left, 0) * (RENEW_AT + RENEW_SPREAD * random())) };
}

function issuedOf(content: FileContent, id: string): Partial<Issued> | undefined {
  const { site, ...issued } = objectIn(content['issued']);
  return issued['id'] === id && isText(site) ? { ...issued, site } : undefined;
}

function lifetime(expiresAt: unknown, renewAt: unknown): Lifetime {
  return { ...(isTime(expiresAt) ? { expiresAt } : {}), ...(isTime(renewAt) ? { renewAt } : {}) };
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function objectIn(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
