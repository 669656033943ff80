import type { DiagnosisCheck, DiagnosisFact } from './diagnosis.dto.js';

/** A plain fact: a sentence, when it was, and the address that it is about. */
export const fact = (text: string, at: Date | string | null = null, address: string | null = null): DiagnosisFact => ({
  text,
  at: at === null ? null : new Date(at),
  address,
});

const check =
  (state: DiagnosisCheck['state']) =>
  (
    name: DiagnosisCheck['check'],
    since: Date | string | null,
    evidence: DiagnosisFact[],
    nextStep: string | null = null,
  ): DiagnosisCheck => ({
    check: name,
    state,
    since: since === null ? null : new Date(since),
    evidence,
    nextStep,
  });

export const ok = check('ok');
export const failed = check('failed');
/** Whether anything of an organization is served at all (docs/adr/0077). */
export const organization = ({ orgClosedAt, orgClosedBy }: { orgClosedAt: Date | null; orgClosedBy: string | null }) =>
  orgClosedAt === null
    ? ok('organization', null, [])
    : failed(
        'organization',
        orgClosedAt,
        [fact(`The organization was closed by ${orgClosedBy}: its sites, keys and claims are refused`, orgClosedAt)],
        'Have an Admin of the organization reopen it',
      );
/** What cannot be known; the evidence says why. */
export const unknown = check('unknown');
