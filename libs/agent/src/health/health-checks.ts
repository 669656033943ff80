import { Checker, NotDialed, type Place } from '../../../checks/index.js';
import {
  AGENT_LIMITS,
  AGENT_MESSAGE,
  type AgentHealthCheck,
  type AgentHealthResult,
} from '../../../contracts/index.js';
import type { AgentContext } from '../context.js';
import type { Send, SessionFeature } from '../session/feature.js';
import type { Allowed } from '../tunnel/allowed.js';
import { DialPolicy } from '../tunnel/dial-policy.js';
import { authorities, Dialer, DialFailure } from '../tunnel/target-socket.js';

/** What is found out within this time is told together. */
const TOGETHER_MS = 100;
const NO_LISTS = { targets: [], healthChecks: [], resources: [] };

/**
 * Checks the health of the targets of this site (docs/health.md), for as long as it is approved, also while there is no session: what was found out
 * meanwhile is told when the server asks, which it does in each session. What may be dialed is what the tunnel may lead to.
 */
export class HealthChecks {
  private readonly policy: DialPolicy;
  private readonly dialer: Dialer;
  private readonly checker: Checker<AgentHealthCheck>;
  private send: Send | undefined;
  /** What is to be told, by target. */
  private readonly news = new Map<number, AgentHealthResult>();
  private telling = false;

  /** @param enforceCertificates a certificate that is not good makes a target unhealthy */
  constructor(
    private readonly context: AgentContext,
    allowed: readonly Allowed[],
    enforceCertificates: boolean,
  ) {
    this.policy = new DialPolicy(allowed);
    this.dialer = new Dialer(this.policy);
    const { clock, random } = context;
    this.checker = new Checker({
      dial: (_check, to, signal) => this.dial(to, signal),
      sleep: (ms, signal) => clock.sleep(ms, 'health-check', signal),
      random,
      ...(enforceCertificates ? { authorities: () => ({ ca: authorities() }) } : {}),
      found: (result) => this.tell(result),
    });
  }

  readonly feature: SessionFeature = {
    welcomed: (_welcome, send) => {
      this.send = send;
    },
    apply: async ({ status, targets = [], healthChecks = [], resources = [] }) => {
      const lists = status === 'approved' ? { targets, healthChecks, resources } : NO_LISTS;
      this.policy.apply(lists);
      this.checker.apply(lists.healthChecks);
    },
    received: (type) => {
      if (type !== AGENT_MESSAGE.health) return false;
      for (const result of this.checker.results()) this.tell(result);
      return true;
    },
    disconnected: () => {
      this.send = undefined;
      this.news.clear();
    },
  };

  close(): void {
    this.checker.stop();
  }

  private async dial(to: Place, signal: AbortSignal) {
    try {
      return await this.dialer.tcp({ protocol: 'tcp', ...to }, undefined, signal);
    } catch (error) {
      const isForbidden = error instanceof DialFailure && (error.code === 'not_listed' || error.code === 'not_allowed');
      throw isForbidden ? new NotDialed(error.message) : error;
    }
  }

  private tell(result: AgentHealthResult): void {
    if (!this.send) return;
    this.news.set(result.targetId, result);
    if (!this.telling) void this.tellSoon();
  }

  private async tellSoon(): Promise<void> {
    const { clock, signal } = this.context;
    this.telling = true;
    await clock.sleep(TOGETHER_MS, 'health', signal).catch(() => undefined);
    this.telling = false;
    const results = [...this.news.values()];
    this.news.clear();
    for (let from = 0; from < results.length; from += AGENT_LIMITS.healthResults)
      this.send?.({
        type: AGENT_MESSAGE.health,
        data: { results: results.slice(from, from + AGENT_LIMITS.healthResults) },
      });
  }
}
