import type { EnvReader } from './env-reader.js';
import { SERVER_ROLES } from './rules.mjs';

/** What a server process may do beside the API. */
export type ServerRole = (typeof SERVER_ROLES)[number];

export interface ClusterConfig {
  readonly roles: ReadonlySet<ServerRole>;
}

export function readCluster(env: EnvReader): ClusterConfig {
  return { roles: new Set(env.list('SERVER_ROLES') as ServerRole[]) };
}
