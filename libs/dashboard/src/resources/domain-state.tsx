import { t } from '@texts/resources';
import { StateDot } from '@/kit/state-dot';
import type { Domain } from './queries';

/** Whether its records were found, as a dot and a word. */
export function DomainState({ verified, failed }: Pick<Domain, 'verified' | 'failed'>) {
  const state = verified ? 'verified' : failed ? 'failed' : 'waiting';
  const color = { verified: 'teal.6', failed: 'red.6', waiting: 'orange.5' }[state];
  return <StateDot color={color} label={t.domains.states[state]} />;
}
