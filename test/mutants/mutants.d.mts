/** One rule, broken on purpose. */
export interface Mutant {
  rule: string;
  file: string;
  /** Text that stands exactly once in `file`. */
  find: string;
  replace: string;
  /** The file whose tests must fail then, or those of a name. */
  test: string;
  name?: string;
}

export const mutants: Mutant[];
