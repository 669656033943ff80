import type { AgentSettings, Enrolment, Snippet, TemplateDoor } from './enrolment';
import { compose, docker, kubernetes } from './in-containers';
import { ansible, cloudInit, shell, systemd, terraform } from './on-machines';
import { est, http, newt } from './without-agent';

export type { Enrolment, Language, Snippet, SnippetKind, Step, TemplateDoor } from './enrolment';

const WITH_AGENT = [shell, cloudInit, systemd, docker, compose, kubernetes, ansible, terraform];

/** The ways to enrol that the template lets in, the plainest first. */
export function snippetsFor(enrolment: Enrolment, { newtDoor, credentialType }: TemplateDoor): Snippet[] {
  const agent = agentOf(enrolment, { newtDoor, credentialType });
  return [
    ...(agent ? WITH_AGENT.map((write) => write(enrolment, agent)) : []),
    ...(newtDoor ? [newt(enrolment)] : []),
    ...(credentialType === 'certificate' ? (isTls(enrolment) ? [est(enrolment)] : []) : [http(enrolment)]),
  ];
}

/** The agent claims as newts do; where these may not, it can claim a certificate. */
function agentOf(
  { endpoint, deviceEndpoint, trustFingerprint }: Enrolment,
  { newtDoor, credentialType }: TemplateDoor,
): AgentSettings | undefined {
  if (newtDoor) return { endpoint, trustFingerprint, certificate: false };
  if (credentialType !== 'certificate' || deviceEndpoint === null) return undefined;
  return { endpoint: deviceEndpoint, trustFingerprint, certificate: true };
}

export type Warning = 'loopback' | 'plain' | 'noDevicePort';

/** What keeps machines from enrolling, or lets others read the key on its way. */
export function warningsFor(enrolment: Enrolment, { newtDoor, credentialType }: TemplateDoor): Warning[] {
  const { hostname } = new URL(enrolment.endpoint);
  const loopback = /^(localhost|127\..*|\[::1\])$/.test(hostname);
  return [
    ...(loopback ? ['loopback' as const] : isTls(enrolment) ? [] : ['plain' as const]),
    ...(!newtDoor && credentialType === 'certificate' && enrolment.deviceEndpoint === null
      ? ['noDevicePort' as const]
      : []),
  ];
}

const isTls = ({ endpoint }: Enrolment): boolean => endpoint.startsWith('https:');
