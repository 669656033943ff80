import type { Blueprint } from '#blueprint';

/** Names of roles that a document gives something to. */
export const rolesIn = (model: Blueprint): string[] => [
  ...new Set([
    ...model.publicResources.flatMap((entry) => (entry.targetsOnly ? [] : (entry.auth?.ssoRoles ?? []))),
    ...model.privateResources.flatMap((entry) => entry.roles),
  ]),
];

/** The document with its roles as they are written where they were made: case and width of a role's name do not count. */
export function withRoleNames(model: Blueprint, asMade: Map<string, string>): Blueprint {
  const written = (names: string[]) => [...new Set(names.map((name) => asMade.get(name) ?? name))];
  return {
    ...model,
    publicResources: model.publicResources.map((entry) =>
      entry.targetsOnly || !entry.auth
        ? entry
        : { ...entry, auth: { ...entry.auth, ssoRoles: written(entry.auth.ssoRoles) } },
    ),
    privateResources: model.privateResources.map((entry) => ({ ...entry, roles: written(entry.roles) })),
  };
}
