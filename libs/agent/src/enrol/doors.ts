import { AGENT_PATHS, type ClaimRequest, type ProvisionRequest } from '../../../contracts/index.js';
import { misconfigured } from '../cli/exit-codes.js';
import { fits, makeKey } from '../credential/certificate.js';
import { chained } from '../credential/renewal.js';
import type { ServerResponse } from '../session/server-link.js';
import { type Claimed, readClaimResponse, readProvisionAnswer, type Verdict } from './responses.js';

/** One of the claim endpoints (docs/claims.md "Claim endpoints"), as this machine uses it. */
export type Door = {
  path: string;
  body(request: ClaimRequest): unknown;
  /** @throws NetworkFailure for everything that is not the server's own word; AgentExit 78 for a credential of another kind */
  read(answer: ServerResponse): Verdict<Claimed>;
};

/** For id and secret. */
export const newtDoor: Door = { path: AGENT_PATHS.register, body: (request) => request, read: readClaimResponse };

/** For a certificate of a key that is made here, now. */
export function certificateDoor(): Door {
  const { pem, csr } = makeKey();
  return {
    path: AGENT_PATHS.provision,
    body: ({ provisioningKey, name, hardwareId, claimNonce, ephemeral, bundleKey, trustFingerprint }) =>
      ({
        provision_key: provisioningKey,
        device_name: name,
        hardware_id: hardwareId as string,
        claim_nonce: claimNonce,
        csr,
        ephemeral,
        bundle_key: bundleKey,
        trust_fingerprint: trustFingerprint,
      }) satisfies ProvisionRequest,
    read: (answer) => {
      const verdict = readProvisionAnswer(answer);
      if (verdict.kind !== 'ok') return verdict;
      const { credentialType, certificate, chain, ...claimed } = verdict.value;
      if (credentialType !== 'certificate')
        throw misconfigured(
          `the template of this provisioning key issues credentials of the type ${credentialType}: give a key whose template has credentialType certificate, or leave out --credential certificate`,
        );
      if (certificate === undefined) return { kind: 'ok', value: { ...claimed, secret: '' } };
      if (!fits(certificate, pem))
        throw misconfigured('the certificate of the claim is not for the key of this machine');
      return { kind: 'ok', value: { ...claimed, secret: pem, certificate: chained(certificate, chain) } };
    },
  };
}
