export { AgentSocketAdapter } from './agent-socket.adapter.js';
export { AgentsModule } from './agents.module.js';
export { SessionTokens, type TokenBearer } from './session-tokens.js';
export { refuseUpgrade, releaseSocket, UpgradeRouter, type Upgrade, type UpgradeHandler } from './upgrade-router.js';
