import { describeProblem, type Problem } from '#document';

/** A document that cannot be filled in for this site or on this machine. Its problems name no values. */
export class BootstrapError extends Error {
  constructor(readonly problems: Problem[]) {
    super(problems.map(describeProblem).join('; '));
  }
}
