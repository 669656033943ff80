import { Anchor, Text } from '@mantine/core';
import { IconExternalLink } from '@tabler/icons-react';
import { t } from '@texts/resources';
import { StateDot } from '@/kit/state-dot';
import { addressOf, type Health, type Resource } from './queries';

const COLORS: Record<Health, string> = {
  healthy: 'teal.6',
  degraded: 'orange.5',
  unhealthy: 'red.6',
  unknown: 'gray.5',
};

/** Health as a dot and a word: never by colour alone. */
export function HealthBadge({ health }: { health: Health }) {
  return <StateDot color={COLORS[health]} {...t.health[health]} />;
}

/** Where it is found; a link where a browser can go there. */
export function Address({ of }: { of: Pick<Resource, 'mode' | 'ssl' | 'fullDomain' | 'proxyPort' | 'wildcard'> }) {
  const address = addressOf(of);
  if (!address)
    return (
      <Text span size="sm" c="dimmed">
        {t.noAddress}
      </Text>
    );
  if (!address.url || of.wildcard)
    return (
      <Text span size="sm" style={{ overflowWrap: 'anywhere' }}>
        {address.text}
      </Text>
    );
  return (
    <Anchor href={address.url} target="_blank" rel="noreferrer" size="sm" style={{ overflowWrap: 'anywhere' }}>
      {address.text}
      {/* Not alone on a line. */}
      {'\u00a0'}
      <IconExternalLink size={14} aria-label={t.opensElsewhere} />
    </Anchor>
  );
}
