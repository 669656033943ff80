import type { AgentState, AgentWelcome } from '../../../contracts/index.js';
import { siteLabel } from '../cli/site-label.js';
import type { StatusReport } from '../cli/status-file.js';
import type { AgentContext } from '../context.js';
import type { SessionFeature } from './feature.js';
import type { HealthFile } from './health-file.js';

/** What the agent keeps of its sessions, and whom it tells. */
export type Told = {
  report(): StatusReport;
  /** Version that was applied last; remembers the given one. */
  applied(version?: number): number;
  apply: ((state: AgentState) => Promise<void>) | undefined;
  onWelcome(welcome: AgentWelcome): void;
  onApplied(state: AgentState, error: string | undefined): void;
};

/** Log, status file, health file and events: what the agent tells of its sessions. */
export function reporting(context: AgentContext, health: HealthFile, told: Told): SessionFeature {
  const { log, clock, status } = context;
  return {
    welcomed: (welcome) => {
      const { niceId, siteId, name } = welcome;
      log.info(`connected as ${siteLabel(welcome)}, ${welcome.status}, server ${welcome.serverVersion}`);
      status({
        phase: 'connected',
        siteId,
        niceId,
        ...(name === undefined ? {} : { name }),
        siteStatus: welcome.status,
        connectedSince: new Date(clock.now()).toISOString(),
        lastError: null,
      });
      health.mark();
      told.onWelcome(welcome);
    },
    apply: async (state) => {
      status({ desiredVersion: state.version });
      await told.apply?.(state);
    },
    applied: (state, error) => {
      if (told.report().siteStatus !== state.status)
        log.info(state.status === 'approved' ? 'approved' : 'not approved any more: pending');
      if (error !== undefined) log.error(`state ${state.version} could not be applied: ${error}`);
      const appliedVersion = told.applied(error === undefined ? state.version : undefined);
      status({ siteStatus: state.status, appliedVersion });
      told.onApplied(state, error);
    },
    heartbeat: () => {
      status({});
      health.renew();
    },
  };
}
