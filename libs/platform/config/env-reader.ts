import { resolve } from 'node:path';
import { VARIABLES, type VariableName } from './variables.js';

export type Env = Record<string, string | undefined>;

/** A configuration that the server will not start with. The message is one sentence for the operator. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export const HOST_NAME = /^(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$/;

/** Variables as the sections of the configuration want them. Everything here throws ConfigError with the name of the variable. */
export class EnvReader {
  constructor(
    private readonly env: Env,
    private readonly cwd: string,
  ) {}

  /** What is set, else ''. */
  given(name: VariableName): string {
    return this.env[name]?.trim() ?? '';
  }

  /** What is set, else what unset means. */
  text(name: VariableName): string {
    return this.given(name) || VARIABLES[name].fallback;
  }

  optional(name: VariableName): string | undefined {
    return this.text(name) || undefined;
  }

  whole(name: VariableName, min: number, max: number): number {
    const value = this.text(name);
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max) {
      throw new ConfigError(`${name} must be a whole number from ${min} to ${max}, not "${value}".`);
    }
    return number;
  }

  /** An absolute path. */
  path(name: VariableName): string {
    return resolve(this.cwd, this.text(name));
  }

  /** What stands between commas. */
  list(name: VariableName): string[] {
    return this.text(name)
      .split(',')
      .map((entry) => entry.trim())
      .filter(Boolean);
  }

  /** @returns the value in lower case, without a final dot. */
  domain(name: VariableName, value: string): string {
    const lower = value.toLowerCase().replace(/\.$/, '');
    if (!HOST_NAME.test(lower) || lower.length > 253)
      throw new ConfigError(`${name} must be a domain name, not "${value}".`);
    return lower;
  }
}
