import { Box, Group, Text } from '@mantine/core';
import { t } from '@texts/resources';
import type { Domain } from './queries';

/** Whether its records were found, as a dot and a word. */
export function DomainState({ verified, failed }: Pick<Domain, 'verified' | 'failed'>) {
  const state = verified ? 'verified' : failed ? 'failed' : 'waiting';
  const color = { verified: 'teal.6', failed: 'red.6', waiting: 'orange.5' }[state];
  return (
    <Group gap={8} wrap="nowrap" w="max-content">
      <Box w={9} h={9} bg={color} style={{ borderRadius: '50%', flex: 'none' }} />
      <Text size="sm" span>
        {t.domains.states[state]}
      </Text>
    </Group>
  );
}
