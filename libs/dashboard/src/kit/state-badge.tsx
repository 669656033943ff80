import { Box, Group, Text, Tooltip } from '@mantine/core';
import { t } from '@texts/states';
import type { components } from '@/api/types';

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
  const { label, meaning } = t[state];
  return (
    <Tooltip label={meaning}>
      <Group gap={8} wrap="nowrap" w="max-content">
        <Box w={9} h={9} bg={STATE_COLORS[state]} style={{ borderRadius: '50%', flex: 'none' }} />
        <Text size="sm" span>
          {label}
        </Text>
      </Group>
    </Tooltip>
  );
}
