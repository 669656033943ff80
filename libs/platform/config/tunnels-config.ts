import type { EnvReader } from './env-reader.js';

/** What agents are told about tunnels (docs/tunnel.md rule 3). */
export interface TunnelsConfig {
  /** Connections that each agent keeps; 0: it is offered none. */
  readonly perAgent: number;
  /** Origin at which agents reach this process; '': the one where their session is. */
  readonly agentUrl: string;
  /** Where other server processes reach the tunnels of this one. */
  readonly hop: { readonly host: string; readonly port: number };
}

export function readTunnels(env: EnvReader): TunnelsConfig {
  return {
    perAgent: env.whole('TUNNELS_PER_AGENT'),
    agentUrl: env.optional('AGENT_URL') ?? env.optional('PUBLIC_URL') ?? '',
    hop: { host: env.text('HOP_HOST'), port: env.whole('HOP_PORT') },
  };
}
