import { randomBytes, randomUUID } from 'node:crypto';
import { AGENT_LIMITS, type ClaimRequest, type ClaimResponse } from '../../../contracts/index.js';
import { AgentExit, EXIT, misconfigured } from '../cli/exit-codes.js';
import { type ClaimIdentity, claimIdentityOf, type FileContent } from '../config/config-file.js';
import type { Settings } from '../config/settings.js';
import { fillTemplate } from '../config/template.js';
import type { AgentContext } from '../context.js';
import {
  type Credential,
  current,
  lifetimeFrom,
  lifetimeOf,
  type NextCredential,
  NO_CREDENTIAL,
} from '../credential/credential.js';
import { bundleKeyPair, publicHalf } from '../instance/bundle-key.js';
import { backoff, REFUSED_CLAIM_BACKOFF } from '../session/backoff.js';
import type { ServerLink } from '../session/server-link.js';
import { certificateDoor, newtDoor } from './doors.js';
import { checkHardwareId, machineHardwareId } from './hardware-id.js';
import { FINGERPRINT_KEY, type Fingerprint } from './machine.js';
import type { Claimed } from './responses.js';
import { type Patience, retry } from './retry.js';

/** In the state file: the signing key that the claim named, apart from the one that somebody said to trust. */
const CLAIMED_TRUST = 'claimedTrust';

/** What this machine trusts: what somebody said, else what its claim named; '' for neither. */
export function trustedBy(settings: Settings, content: FileContent): string {
  const claimed = content[CLAIMED_TRUST];
  return settings.trustFingerprint !== '' || typeof claimed !== 'string' ? settings.trustFingerprint : claimed;
}

/**
 * Exchanges the provisioning key for this machine's own credential and stores it (docs/claims.md "Claim endpoints", rules 4 and 5).
 * Hardware id, nonce and bundle key are on disk before the first byte is sent, so that a lost answer is asked for again as the same device.
 * @param stored what of the state file is this machine's
 * @param fingerprint of this machine
 * @throws AgentExit 69 or 77 when patience ends, 73 state not writable, 77 a re-claim without secret, 78 a wrong name or hardware id
 */
export async function claim(
  context: AgentContext,
  link: ServerLink,
  settings: Settings,
  key: string,
  stored: FileContent,
  fingerprint: Fingerprint,
  patience: Patience,
): Promise<Credential> {
  const { clock, log, random } = context;
  const name = claimName(settings.name, context.env);
  const identity = claimIdentity(settings.hardwareId, stored, () => machineHardwareId(context.machineRoot));
  const bundleKey = bundleKeyPair(stored);
  context.updateFile({
    ...Object.fromEntries(Object.keys(NO_CREDENTIAL).map((key) => [key, stored[key]])),
    claim: identity,
    bundleKey,
    ...(Object.keys(fingerprint).length > 0 ? { [FINGERPRINT_KEY]: fingerprint } : {}),
  });
  const request: ClaimRequest = {
    provisioningKey: key,
    ...(name === '' ? {} : { name }),
    hardwareId: identity.hardwareId,
    claimNonce: identity.nonce,
    bundleKey: publicHalf(bundleKey),
    ...(settings.ephemeral ? { ephemeral: true } : {}),
    ...(settings.trustFingerprint === '' ? {} : { trustFingerprint: settings.trustFingerprint }),
  };

  const door = settings.credential === 'certificate' ? certificateDoor() : newtDoor;
  for (let refusals = 0; ; refusals++) {
    log.info(`claiming a site as hardware id ${identity.hardwareId}`);
    const verdict = await retry(context, 'claim', patience.until, async () => {
      const answer = await link.post(door.path, door.body(request), context.signal);
      return { date: answer.date, ...door.read(answer) };
    });
    if (verdict.kind === 'ok') return keep(context, settings, stored, identity, verdict.value, verdict.date);
    if (verdict.kind === 'invalid') throw misconfigured(`the server does not accept the claim: ${verdict.message}`);
    if (!patience.refusals) throw new AgentExit(EXIT.refused, 'the provisioning key was refused');
    const wait = backoff(REFUSED_CLAIM_BACKOFF, refusals, random);
    log.warn(
      `the provisioning key was refused; unless it is mistyped, its page in the dashboard says why; trying again in ${Math.round(wait / 1000)} s`,
    );
    context.status({ phase: 'refused' });
    await clock.sleep(wait, 'claim-refused', context.signal);
  }
}

/** Stores what the exchange brought and removes the key and what else is for claims alone, which is of no more use here. */
function keep(
  context: AgentContext,
  settings: Settings,
  before: FileContent,
  identity: ClaimIdentity,
  response: Claimed,
  date: number | undefined,
): Credential {
  const { newtId, secret, ephemeralSeconds } = response;
  const credential =
    secret === ''
      ? credentialIn(before, newtId)
      : {
          id: newtId,
          secret,
          ...(response.certificate === undefined ? {} : { certificate: response.certificate }),
          ...lifetimeFrom(response.expiresAt, date, context),
        };
  if (credential === undefined) {
    throw new AgentExit(
      EXIT.refused,
      `the server knows this hardware id as site ${newtId}, but its secret is not on this machine: ` +
        'if this state was copied from that machine, remove `claim` from the config file to claim as another; otherwise an operator can let it claim once more with allow-reclaim (POST /site/{siteId}/allow-reclaim with {"expiresInSeconds": 3600}, at most 86400)',
    );
  }
  context.log.hide(credential.secret);
  const trust = trustOnFirstUse(settings, before, response);
  context.updateFile({
    ...current(credential, newtId),
    endpoint: settings.endpoint,
    provisioningKey: undefined,
    name: undefined,
    credential: undefined,
    ...(ephemeralSeconds === undefined ? {} : { claim: { ...identity, ephemeralSeconds } }),
    ...(trust === undefined ? {} : { [CLAIMED_TRUST]: trust }),
  });
  const goes = ephemeralSeconds === undefined ? '' : `, removed when it has been offline for ${ephemeralSeconds} s`;
  context.log.info(`claimed: this machine is site ${newtId}${goes}`);
  if (trust !== undefined)
    context.log.info(`from here on the signing key that the claim named is trusted, --trust-fingerprint ${trust}`);
  if (settings.ephemeral && ephemeralSeconds === undefined)
    context.log.warn(
      "--ephemeral has no effect: the site stays until somebody deletes it, since the key's template has no ephemeralSeconds or the site was made before",
    );
  return credential;
}

/** What a state file holds of the site that the server has recognised. */
function credentialIn(content: FileContent, id: string): NextCredential | undefined {
  const { secret, certificate } = content;
  if (content['id'] !== id || typeof secret !== 'string' || secret === '') return undefined;
  return { id, secret, ...(typeof certificate === 'string' ? { certificate } : {}), ...lifetimeOf(content, id) };
}

/**
 * The signing key that the claim named, to be believed from now on; undefined where somebody said which one to trust, in the state file or
 * otherwise, or the site is the one that this machine was before.
 */
function trustOnFirstUse(settings: Settings, before: FileContent, response: ClaimResponse): string | undefined {
  const { newtId, signingKeyThumbprint: current, nextSigningKeyThumbprint: next } = response;
  const known = before['id'] === newtId && before[CLAIMED_TRUST] !== undefined;
  if (current === undefined || settings.trustFingerprint !== '' || known) return undefined;
  return next === undefined ? current : `${current}.${next}`;
}

/**
 * The hardware id to claim with and its nonce. A nonce made for another hardware id is not used again.
 * @param wanted the setting: '' for the stored or a new random one, `machine`, or a value
 */
export function claimIdentity(
  wanted: string,
  stored: FileContent,
  machine: () => string = machineHardwareId,
): ClaimIdentity {
  const before = claimIdentityOf(stored);
  const hardwareId =
    wanted === '' ? (before?.hardwareId ?? randomUUID()) : checkHardwareId(wanted === 'machine' ? machine() : wanted);
  return before?.hardwareId === hardwareId ? before : { hardwareId, nonce: randomBytes(32).toString('base64url') };
}

function claimName(template: string, env: NodeJS.ProcessEnv): string {
  const name = fillTemplate(template, env);
  if ([...name].length > AGENT_LIMITS.nameLength || /[\u0000-\u001f\u007f-\u009f]/.test(name)) {
    throw misconfigured(`the name must be at most ${AGENT_LIMITS.nameLength} characters, without control characters`);
  }
  return name;
}
