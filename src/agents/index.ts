export { AgentSocketAdapter } from './gateway/agent-socket.adapter.js';
export { AgentsModule } from './agents.module.js';
export { SessionTokens, type TokenBearer } from './gateway/session-tokens.js';
export { refuseUpgrade, releaseSocket, UpgradeRouter, type Upgrade, type UpgradeHandler } from './gateway/upgrade-router.js';
