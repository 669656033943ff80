import { queryOptions, useQuery } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { $api, api, onUnauthenticated } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import type { Action } from '../../../contracts/index.js';

export type User = components['schemas']['UserView'];

/** Who is signed in, with memberships and what these allow. Throws `unauthenticated` when nobody is. */
export const userQuery = queryOptions({ ...$api.queryOptions('get', '/user'), staleTime: 60_000 });

/** Who is signed in: below the frame somebody is. */
export const useUser = (): User => useQuery(userQuery).data as User;

/** What one may do in an organization: the server decides, this only hides what it would refuse. */
export function useMay(orgId: string): (action: Action) => boolean {
  const user = useUser();
  return (action) => mayOf(user, orgId, action);
}

export function mayOf(user: User, orgId: string, action: Action): boolean {
  if (user.serverAdmin) return true;
  return user.memberships.find((membership) => membership.orgId === orgId)?.actions.includes(action) ?? false;
}

/** Whether the session ended while a page was open. */
class Expiry {
  private readonly told = new Set<() => void>();
  private ended = false;

  constructor() {
    onUnauthenticated.add(() => {
      // Before anybody signed in there is nothing that could end.
      if (queryClient.getQueryData(userQuery.queryKey) !== undefined) this.set(true);
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.told.add(listener);
    return () => this.told.delete(listener);
  };

  readonly hasEnded = (): boolean => this.ended;

  renewed(): void {
    this.set(false);
  }

  private set(ended: boolean): void {
    if (ended === this.ended) return;
    this.ended = ended;
    for (const listener of this.told) listener();
  }
}

const expiry = new Expiry();

export const useHasExpired = (): boolean => useSyncExternalStore(expiry.subscribe, expiry.hasEnded);

/** @throws ApiProblem `unauthenticated` for a wrong password */
export async function logIn(credentials: { email: string; password: string }): Promise<void> {
  const before = queryClient.getQueryData(userQuery.queryKey) as User | undefined;
  const { data } = await api.POST('/auth/login', { body: credentials });
  // Nothing of what somebody read may be shown to somebody else.
  if (before !== undefined && before.userId !== data!.userId) location.assign('/');
  expiry.renewed();
  await queryClient.invalidateQueries();
}

export async function logOut(): Promise<void> {
  await api.POST('/auth/logout', {});
  location.assign('/login');
}
