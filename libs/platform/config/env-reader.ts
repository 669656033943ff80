import { resolve } from 'node:path';
import { asMessage, type Env, textOf, type VariableName } from './environment.mjs';
import { listed } from './rules.mjs';

export type { Env } from './environment.mjs';

/** A configuration that the server will not start with. The message is a sentence for the operator, or several, a line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(...problems: string[]) {
    super(asMessage(problems));
  }
}

/** Variables as the sections of the configuration want them; that their values are right was checked before (`problemsOf`). */
export class EnvReader {
  constructor(
    private readonly env: Env,
    private readonly cwd: string,
  ) {}

  /** What is set, else what unset means. */
  text(name: VariableName): string {
    return textOf(this.env, name);
  }

  isGiven(name: VariableName): boolean {
    return Boolean(this.env[name]?.trim());
  }

  optional(name: VariableName): string | undefined {
    return this.text(name) || undefined;
  }

  whole(name: VariableName): number {
    return Number(this.text(name));
  }

  /** An absolute path. */
  path(name: VariableName): string {
    return resolve(this.cwd, this.text(name));
  }

  /** What stands between commas. */
  list(name: VariableName): string[] {
    return listed(this.text(name));
  }

  /** In lower case, without a final dot. */
  domain(name: VariableName): string | undefined {
    return this.text(name) ? domainName(this.text(name)) : undefined;
  }

  domains(name: VariableName): string[] {
    return this.list(name).map(domainName);
  }
}

const domainName = (value: string): string => value.toLowerCase().replace(/\.$/, '');
