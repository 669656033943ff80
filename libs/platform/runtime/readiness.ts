import { Injectable } from '@nestjs/common';
import type { AppError } from '../errors.js';

/** `ok`; what is wrong though the server serves all the same; or the error with which `/readyz` says that it does not. */
export type ReadinessState = 'ok' | { degraded: string } | { notReady: AppError };

/** What `/readyz` asks; whoever knows something of it registers it. */
@Injectable()
export class Readiness {
  private readonly checks = new Map<string, () => ReadinessState | Promise<ReadinessState>>();

  /** @param name the field of the answer */
  register(name: string, check: () => ReadinessState | Promise<ReadinessState>): void {
    this.checks.set(name, check);
  }

  /** @returns `ok` or what is wrong, by name. @throws the error of the first check, in the order of registration, that is not ready. */
  async ask(): Promise<Record<string, string>> {
    const names = [...this.checks.keys()];
    const states = await Promise.all([...this.checks.values()].map((check) => check()));
    for (const state of states) if (state !== 'ok' && 'notReady' in state) throw state.notReady;
    return Object.fromEntries(
      names.map((name, i) => {
        const state = states[i]!;
        return [name, state !== 'ok' && 'degraded' in state ? state.degraded : 'ok'];
      }),
    );
  }
}
