export { AgentsModule } from './agents.module.js';
export { DesiredLists } from './delivery/desired-lists.repository.js';
export { AgentSocketAdapter } from './gateway/agent-socket.adapter.js';
export { SessionRestarts } from './gateway/session-restarts.js';
export { UpgradeAuthentication } from './gateway/upgrade-authentication.js';
export {
  asksForWebsocket,
  refuseUpgrade,
  releaseSocket,
  type Upgrade,
  type UpgradeHandler,
  UpgradeRouter,
} from './gateway/upgrade-router.js';
