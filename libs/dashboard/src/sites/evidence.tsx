import { Group, List, Stack, Text } from '@mantine/core';
import { t } from '@texts/site';
import { Time } from '@/kit/time';
import type { DiagnosisCheck } from './queries';

/** What a check found, and what an operator can do about it. */
export function Evidence({ check: { evidence, nextStep } }: { check: DiagnosisCheck }) {
  return (
    <Stack gap="xs">
      {evidence.length > 0 && (
        <List size="sm" listStyleType="none" spacing={2}>
          {evidence.map(({ text, at, address }) => (
            <List.Item key={`${text} ${at} ${address}`}>
              <Group gap={8}>
                <Text span size="sm" style={{ overflowWrap: 'anywhere' }}>
                  {text}
                </Text>
                {address && (
                  <Text span size="sm" ff="monospace" c="dimmed">
                    {address}
                  </Text>
                )}
                {at && (
                  <Text span size="sm" c="dimmed">
                    <Time at={at} absolute />
                  </Text>
                )}
              </Group>
            </List.Item>
          ))}
        </List>
      )}
      {nextStep && (
        <Text size="sm">
          <Text span inherit fw={600}>
            {t.diagnosis.next}:
          </Text>{' '}
          {nextStep}
        </Text>
      )}
    </Stack>
  );
}
