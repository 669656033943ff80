import { AgentExit, EXIT, misconfigured } from '../cli/exit-codes.js';
import { siteLabel } from '../cli/site-label.js';
import type { StatusReport } from '../cli/status-file.js';
import { claimIdentityOf, type FileContent, isEmptied, isEphemeral } from '../config/config-file.js';
import { checkSettings, NO_ENDPOINT, type Resolved } from '../config/options.js';
import type { Settings } from '../config/settings.js';
import type { AgentContext } from '../context.js';
import { type Credential, lifetimeOf, NO_CREDENTIAL } from '../credential/credential.js';
import { bundleKeyPair, keptBundleKey } from '../instance/bundle-key.js';
import type { ServerLink } from '../session/server-link.js';
import type { CredentialRefused } from '../session/token.js';
import { claim } from './claim.js';
import { lossWithContainer } from './container.js';
import { FINGERPRINT_KEY, isCopied, learnt, machineFingerprint, storedFingerprint } from './machine.js';
import { provisioningKey } from './provisioning-key.js';
import type { Patience } from './retry.js';

/** Whether the credential is, or will be, in the state file: not when flags or environment bring all of it. */
export function usesStateFile({ settings, all }: Resolved): boolean {
  const given = all.filter(({ setting, sources }) => ['id', 'secret'].includes(setting.key) && sources[0] !== 'file');
  return given.length < 2 || settings.id === '' || settings.secret === '';
}

/** Whether the next credential can take the place of this one: both id and secret are read from the state file. */
export function keepsCredential({ all }: Resolved): boolean {
  return all.every(
    ({ setting, sources }) => !['id', 'secret'].includes(setting.key) || !['cli', 'env'].includes(sources[0] ?? ''),
  );
}

/** The site of a credential, as people know it where a session was open before. */
export function enrolledAs(report: StatusReport | undefined, newtId: string): string {
  if (report?.newtId !== newtId || report.siteId === undefined || report.niceId === undefined) return `site ${newtId}`;
  const { siteId, niceId, name } = report;
  return siteLabel({ siteId, niceId, ...(name === undefined ? {} : { name }) });
}

/** The site that the last report was of, while it still is this machine's, or was until the file was emptied. */
export function siteBefore({ before, configFile }: AgentContext, id: string): Partial<StatusReport> {
  if (before?.newtId === undefined || (before.newtId !== id && !isEmptied(configFile))) return {};
  const { newtId, siteId, niceId, name } = before;
  return {
    newtId,
    ...(siteId === undefined ? {} : { siteId }),
    ...(niceId === undefined ? {} : { niceId }),
    ...(name === undefined ? {} : { name }),
  };
}

/** Checks the settings of a start. The endpoint is lost with an emptied file that held it: then that is what is said. @throws AgentExit 78 */
export function checkStart(context: AgentContext, settings: Settings): void {
  if (settings.endpoint === '' && isEmptied(context.configFile))
    throw misconfigured(`${emptied(context)}; ${NO_ENDPOINT}`);
  checkSettings(settings);
}

/** A key that is given to a machine which needs none: its owner expected a new site. */
export function unusedKey({ settings }: Resolved): boolean {
  return settings.provisioningKey !== '' || settings.provisioningKeyFile !== '';
}

/**
 * Forgets a refused credential that can be replaced by a claim, since a key is given to this machine still: it may be that of a site which went by itself
 * (docs/agent-protocol.md rule 39), or it has expired (rule 52). After that the machine is not enrolled; it claims as the same device, a credential of
 * the same kind unless it is told otherwise. One that the server would still renew is not forgotten, whatever keeps it from that now.
 * @returns whether it did
 * @throws AgentExit 73
 */
export function claimsAnew(context: AgentContext, resolved: Resolved, refused: CredentialRefused): boolean {
  if (!usesStateFile(resolved) || !unusedKey(resolved) || refused.isRenewable) return false;
  const content = context.readFile();
  if (!(resolved.settings.ephemeral && isEphemeral(content)) && !hasExpired(context, content)) return false;
  context.log.warn(`${refused.message}, expired, or removed because it was offline for long: claiming a new one`);
  const kind = content['certificate'] === undefined ? {} : { credential: 'certificate' };
  context.updateFile({ ...NO_CREDENTIAL, claim: claimIdentityOf(content), ...kind });
  return true;
}

/** By what this machine knows of its credential. */
function hasExpired({ clock }: AgentContext, content: FileContent): boolean {
  const { expiresAt } = lifetimeOf(content, String(content['id']));
  return expiresAt !== undefined && Date.parse(expiresAt) <= clock.now();
}

/**
 * How an agent ends whose credential is refused. One that came from a claim and was never used may be a copy's: of all that claim with one nonce the
 * first to authenticate keeps its credential (docs/claims.md rule 5).
 * @param wasUsed by this machine
 */
export function endOfRefused(context: AgentContext, wasUsed: boolean, refused: CredentialRefused): AgentExit {
  const { configFile } = context;
  const content = context.readFile();
  if (refused.isRenewable) return refused;
  if (hasExpired(context, content))
    return new AgentExit(
      EXIT.refused,
      `${refused.message}, or expired for longer than it can be renewed: give a provisioning key to claim once more, and let an operator allow it (allow-reclaim)`,
    );
  if (!wasUsed && content['certificate'] !== undefined)
    return new AgentExit(
      EXIT.refused,
      `${refused.message}, or the endpoint is none that asks for client certificates (the server's DEVICE_TLS_PORT)`,
    );
  if (wasUsed || claimIdentityOf(content) === undefined) return refused;
  return new AgentExit(
    EXIT.refused,
    `${refused.message}, or claimed by another machine, too: if this state was copied, remove \`claim\`, \`id\` and \`secret\` from ${configFile} and give a provisioning key`,
  );
}

/**
 * This machine's credential: the one that it has, else a new one for the provisioning key. Call it with the state file's lock.
 * State that was copied from another machine is nobody's here (docs/agent-protocol.md rule 32).
 * @param readStdin reads standard input to its end, for `--provisioning-key-file -`
 * @throws AgentExit 78 for a machine that is not enrolled, or whose state was copied, and that has no key; what {@link claim} throws
 */
export async function obtainCredential(
  context: AgentContext,
  link: ServerLink,
  resolved: Resolved,
  readStdin: () => Buffer,
  patience: Patience,
): Promise<Credential> {
  const { settings } = resolved;
  const { configFile, log } = context;
  const enrolled = settings.id !== '' && settings.secret !== '';
  if (!usesStateFile(resolved)) return { id: settings.id, secret: settings.secret };

  const stored = context.readFile();
  const here = machineFingerprint(context.machineRoot);
  const copied = isCopied(storedFingerprint(stored), here);
  // An ephemeral site is meant to go with its container.
  const loss = settings.ephemeral ? undefined : lossWithContainer(context.machineRoot, configFile);
  if (loss !== undefined) log.warn(loss);
  if (enrolled && !copied) {
    learn(context, stored);
    return held(settings, stored);
  }
  const key = provisioningKey(resolved, readStdin);
  if (key === '') throw misconfigured(copied && enrolled ? copiedState(settings.id, configFile) : notEnrolled(context));
  log.hide(key);
  if (copied)
    log.warn(
      `this state was copied from another machine${enrolled ? `, which is site ${settings.id}` : ''}: claiming a site of this machine's own`,
    );
  else if (isEmptied(configFile)) log.warn(`${emptied(context)}; claiming anew`);
  context.status({ phase: 'claiming' });
  return claim(
    context,
    link,
    settings,
    key,
    copied ? withoutIdentity(stored) : stored,
    learnt(copied ? {} : storedFingerprint(stored), here),
    patience,
  );
}

/** The identity of a copy is the other machine's. */
function withoutIdentity(content: FileContent): FileContent {
  return { ...content, ...NO_CREDENTIAL, claim: undefined, bundleKey: undefined };
}

/** The current credential. A certificate belongs to the id and secret that stand with it in the file. */
function held({ id, secret }: Settings, stored: FileContent): Credential {
  const { certificate } = stored;
  const isStored = stored['id'] === id && stored['secret'] === secret;
  return { id, secret, ...(isStored && typeof certificate === 'string' ? { certificate } : {}) };
}

/**
 * Adds to the state of an enrolled machine what it lacks. Facts come and go (a card is replaced, root reads more than others): the fingerprint
 * follows the machine that is known by the rest. A machine that was enrolled before there were bundles makes its key.
 */
function learn(context: AgentContext, stored: FileContent): void {
  const before = storedFingerprint(stored);
  const now = learnt(before, machineFingerprint(context.machineRoot));
  const changes = {
    ...(JSON.stringify(now) === JSON.stringify(before) ? {} : { [FINGERPRINT_KEY]: now }),
    ...(keptBundleKey(stored) === undefined ? { bundleKey: bundleKeyPair(stored) } : {}),
  };
  if (Object.keys(changes).length === 0) return;
  try {
    context.updateFile(changes);
  } catch (error) {
    if (!(error instanceof AgentExit)) throw error;
    context.log.debug(
      `a copy of this state would not be noticed, and no bundle can be sealed for it: ${error.message}`,
    );
  }
}

function copiedState(id: string, configFile: string): string {
  return (
    `this state was copied from another machine, which is site ${id}. Give a provisioning key to make this machine a site of its own; ` +
    `if it is the same machine with other hardware, remove "${FINGERPRINT_KEY}" from ${configFile}`
  );
}

function notEnrolled(context: AgentContext): string {
  const remedy = 'give a provisioning key (--provisioning-key-file FILE), or --id and --secret';
  return isEmptied(context.configFile)
    ? `this machine is not enrolled: ${emptied(context)}; ${remedy}`
    : `this machine is not enrolled: ${remedy}`;
}

function emptied({ configFile, before }: AgentContext): string {
  return before?.newtId === undefined
    ? `the config file ${configFile} is empty`
    : `the config file ${configFile} is empty, as a power cut leaves it: this machine was ${enrolledAs(before, before.newtId)}, and its credential is lost`;
}
