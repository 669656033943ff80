import { t } from '@texts/states';
import type { components } from '@/api/types';
import { StateDot } from './state-dot';

export type SiteState = components['schemas']['SiteView']['state'];

export const STATE_COLORS: Record<SiteState, string> = {
  online: 'teal.6',
  offline: 'red.6',
  never_connected: 'orange.5',
  pending: 'gate.5',
  suspended: 'gray.5',
  revoked: 'gray.7',
};

/** A state as a dot and a word: never by colour alone. */
export function StateBadge({ state }: { state: SiteState }) {
  return <StateDot color={STATE_COLORS[state]} {...t[state]} />;
}
