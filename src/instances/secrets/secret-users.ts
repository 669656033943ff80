import type { SecretUsers } from './secret.dto.js';

export const NOBODY: SecretUsers = { profiles: { total: 0, profiles: [] }, sites: { total: 0, sites: [] } };

export const isUsed = ({ profiles, sites }: SecretUsers): boolean => profiles.total + sites.total > 0;

/** For the audit: what was used and is gone all the same. */
export const forced = (force: boolean | undefined, { profiles, sites }: SecretUsers) =>
  force ? { force, profiles: profiles.total, sites: sites.total } : {};

/** The profiles that a secret is for, before and after; null: all of the organization. Those that it leaves out are what is asked for. */
export interface ProfileChange {
  before: number[] | null;
  after: number[] | null;
}
