import { Anchor, Stack, Text } from '@mantine/core';
import { IconExternalLink } from '@tabler/icons-react';
import { t } from '@texts/resources';
import { StateDot } from '@/kit/state-dot';
import { Time } from '@/kit/time';
import { addressOf, type Health, type Resource, type Target } from './queries';

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
export function Address({ of }: { of: Pick<Resource, 'mode' | 'url' | 'fullDomain' | 'proxyPort'> }) {
  const address = addressOf(of);
  if (!address)
    return (
      <Text span size="sm" c="dimmed">
        {t.noAddress}
      </Text>
    );
  if (of.url === null)
    return (
      <Text span size="sm" style={{ overflowWrap: 'anywhere' }}>
        {address}
      </Text>
    );
  return (
    <Anchor href={of.url} target="_blank" rel="noreferrer" size="sm" style={{ overflowWrap: 'anywhere' }}>
      {address}
      {/* Not alone on a line. */}
      {'\u00a0'}
      <IconExternalLink size={14} aria-label={t.opensElsewhere} />
    </Anchor>
  );
}

/** Its health, why it is not good, and when that was told. */
export function TargetHealth({ of: { hcEnabled, hcHealth, hcLastError, hcToldAt } }: { of: Target }) {
  if (!hcEnabled)
    return (
      <Text span size="sm" c="dimmed">
        {t.targets.unchecked}
      </Text>
    );
  return (
    <Stack gap={2}>
      <HealthBadge health={hcHealth} />
      {hcLastError && (
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          {hcLastError}
        </Text>
      )}
      {hcToldAt && (
        <Text size="sm" c="dimmed" component="div">
          {t.targets.told} <Time at={hcToldAt} />
        </Text>
      )}
    </Stack>
  );
}
