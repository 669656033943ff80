import { fillText, urlProblem, variableValueProblem } from '../../../bootstrap/index.js';
import type { BundlePayload, BundleText } from '../../../contracts/index.js';
import { removeIfThere } from '../config/atomic-file.js';
import type { AgentContext } from '../context.js';
import { UnusableBundle } from './bundle.js';
import type { BundleFolder } from './bundle-folder.js';
import type { DependencyCache } from './dependencies.js';
import type { HeldBundle } from './instance.js';
import type { RunningBundle } from './supervisor.js';

/** Makes what a verified bundle says real, up to where a program could run with it: dependencies, then files (docs/instances.md §6). */
export class Preparation {
  /** @param envAllow patterns of variables that a bundle may set, `*` for any characters; without any it may set all */
  constructor(
    private readonly context: AgentContext,
    private readonly folder: BundleFolder,
    private readonly cache: DependencyCache,
    private readonly envAllow: readonly string[],
  ) {}

  /**
   * @returns what to run with; nothing points at its folder yet
   * @throws UnusableBundle for a variable that this machine does not allow; BootstrapError for one that is not set here; DependencyFailure;
   *   AgentExit 73
   */
  async prepare(bundle: HeldBundle): Promise<RunningBundle> {
    const { payload } = bundle;
    const env = this.variables(bundle);
    const files = payload.files.map(({ path, mode, content }, index) => {
      return { path, mode, content: this.fill(content, `files[${index}].content`) };
    });
    const dependencies = payload.dependencies.map((dependency, index) => {
      return { ...dependency, url: this.fill(dependency.url, `dependencies[${index}].url`, urlProblem) };
    });
    await this.cache.fetchAll(dependencies, this.context.signal);
    const folder = await this.folder.write({
      version: payload.ver,
      files,
      config: payload.config,
      dependencies: dependencies.map((dependency) => ({
        path: dependency.path,
        mode: dependency.mode,
        copyTo: (target) => this.cache.copyTo(dependency, target, this.context.signal),
      })),
    });
    return { version: payload.ver, folder, env, run: payload.run };
  }

  /** The site is over: nobody finds its files any more. They go when the program has ended. */
  withdraw(): void {
    removeIfThere(this.folder.current);
  }

  /** Removes the dependencies of all bundles but this one. */
  settled({ dependencies }: BundlePayload): void {
    this.cache.keepOnly(dependencies);
  }

  private variables({ payload, digest }: HeldBundle): Record<string, string> {
    const names = Object.keys(payload.env);
    const refused = names.find((name) => !this.isAllowed(name));
    if (refused !== undefined)
      throw new UnusableBundle(`the bundle sets ${refused}, which --env-allow does not allow`, payload.ver, digest);
    return Object.fromEntries(
      Object.entries(payload.env).map(([name, text]) => {
        return [name, this.fill(text, `env.${name}`, (value) => variableValueProblem(name, value))];
      }),
    );
  }

  private isAllowed(name: string): boolean {
    return this.envAllow.length === 0 || this.envAllow.some((pattern) => matches(pattern, name));
  }

  private fill(text: BundleText, path: string, problemOf?: (filled: string) => string | undefined): string {
    return fillText(text, this.context.env, path, problemOf);
  }
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[^A-Za-z0-9_]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
