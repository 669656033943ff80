import { ConfigError, type EnvReader } from './env-reader.js';

/** What a server process may do beside the API. */
export const SERVER_ROLES = ['agents', 'jobs'] as const;
export type ServerRole = (typeof SERVER_ROLES)[number];

export interface ClusterConfig {
  readonly roles: ReadonlySet<ServerRole>;
}

/** @throws ConfigError for an unknown role, or none. */
export function readCluster(env: EnvReader): ClusterConfig {
  const roles = env.list('SERVER_ROLES').map((name) => {
    const role = SERVER_ROLES.find((known) => known === name);
    if (!role) throw new ConfigError(`SERVER_ROLES must be a list of ${SERVER_ROLES.join(' and ')}, not "${name}".`);
    return role;
  });
  if (roles.length === 0) throw new ConfigError('SERVER_ROLES must name at least one role.');
  return { roles: new Set(roles) };
}
