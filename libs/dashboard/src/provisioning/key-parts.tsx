import { Progress, Stack, Text } from '@mantine/core';
import { t } from '@texts/provisioning';
import { formatNumber } from '@/kit/formats';
import { StateDot } from '@/kit/state-dot';
import type { Key } from './queries';

const COLORS: Record<Key['state'], string> = {
  active: 'teal.6',
  disabled: 'gray.5',
  revoked: 'gray.7',
  expired: 'gray.5',
  exhausted: 'orange.5',
};

/** A state as a dot and a word, as of sites. */
export function KeyState({ state }: { state: Key['state'] }) {
  return <StateDot color={COLORS[state]} label={t.key.states[state]} />;
}

/** How many sites it has made, of how many. */
export function KeyUses({ numUsed, maxBatchSize }: Pick<Key, 'numUsed' | 'maxBatchSize'>) {
  const text = t.key.usesOf(formatNumber(numUsed), maxBatchSize === null ? undefined : formatNumber(maxBatchSize));
  return (
    <Stack gap={4} maw={160}>
      <Text size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
        {text}
      </Text>
      {maxBatchSize !== null && (
        <Progress size="xs" value={(100 * numUsed) / maxBatchSize} aria-label={`${t.key.columns.uses}: ${text}`} />
      )}
    </Stack>
  );
}
