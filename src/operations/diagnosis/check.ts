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
/** What cannot be known; the evidence says why. */
export const unknown = check('unknown');
