export { Agent, type AgentEnd, type AgentEvents, type AgentOptions, runAgent } from './agent.js';
export { AgentExit, EXIT, type ExitCode } from './cli/exit-codes.js';
export { type Clock, systemClock } from './clock.js';
