export { AgentsModule } from './agents.module.js';
export { AgentSocketAdapter } from './gateway/agent-socket.adapter.js';
export { SessionRestarts } from './gateway/session-restarts.js';
export {
  refuseUpgrade,
  releaseSocket,
  type Upgrade,
  type UpgradeHandler,
  UpgradeRouter,
} from './gateway/upgrade-router.js';
