import { Box, Card, Group, List, Skeleton, Stack, Text, UnstyledButton } from '@mantine/core';
import { IconChevronRight, IconCircleCheck, IconCircleX, IconHelpCircle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { t } from '@texts/resources';
import { useState } from 'react';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { Time } from '@/kit/time';

type Check = components['schemas']['DiagnosisCheck'];

const ICONS: Record<Check['state'], [icon: typeof IconCircleX, color: string]> = {
  ok: [IconCircleCheck, 'var(--mantine-color-teal-6)'],
  failed: [IconCircleX, 'var(--mantine-color-red-6)'],
  unknown: [IconHelpCircle, 'var(--mantine-color-gray-6)'],
};
const texts = t.chain;
/** What the server checks, in its order of causes; a check that the texts do not know yet is shown by its name. */
const nameOf = (check: Check['check']): string => (texts.checks as Partial<Record<string, string>>)[check] ?? check;

/** From the visitor to the program: each link of the chain, and of the first broken one the reason and the next step. */
export function ResourceChain({ resourceId }: { resourceId: number }) {
  const [chosen, choose] = useState<Check['check']>();
  const { data } = useQuery(
    $api.queryOptions('get', '/resource/{resourceId}/diagnosis', { params: { path: { resourceId } } }),
  );
  if (!data) return <Skeleton h={110} />;
  const { checks, cause } = data;
  const shown = checks.find(({ check }) => check === (chosen ?? cause));
  return (
    <Card withBorder p="lg" component="section" aria-label={texts.title}>
      <Stack gap="sm">
        <Group component="ol" gap={4} m={0} p={0} style={{ listStyle: 'none' }}>
          {checks.map(({ check, state }, index) => {
            const [Icon, color] = ICONS[state];
            return (
              <Group key={check} component="li" gap={4} wrap="nowrap">
                <UnstyledButton
                  aria-pressed={shown?.check === check}
                  onClick={() => choose(check)}
                  px={8}
                  py={4}
                  style={{
                    borderRadius: 'var(--mantine-radius-md)',
                    ...(shown?.check === check ? { boxShadow: `inset 0 0 0 1px ${color}` } : {}),
                  }}
                >
                  <Group gap={6} wrap="nowrap">
                    <Icon size={18} color={color} role="img" aria-label={texts.states[state]} />
                    <Text size="sm" fw={check === cause ? 700 : 500}>
                      {nameOf(check)}
                    </Text>
                  </Group>
                </UnstyledButton>
                {index < checks.length - 1 && <IconChevronRight size={16} opacity={0.5} aria-hidden />}
              </Group>
            );
          })}
        </Group>
        {shown ? <Found check={shown} /> : <Text size="sm">{texts.sound}</Text>}
      </Stack>
    </Card>
  );
}

function Found({ check: { check, state, since, evidence, nextStep } }: { check: Check }) {
  return (
    <Box aria-live="polite">
      <Text size="sm" fw={600} component="div">
        {nameOf(check)}: {texts.states[state]}
        {since && (
          <Text span inherit fw={400} c="dimmed">
            {' '}
            {texts.since} <Time at={since} />
          </Text>
        )}
      </Text>
      <List size="sm" listStyleType="none" spacing={2} mt={4}>
        {evidence.map(({ text, at, address }) => (
          <List.Item key={`${text} ${at} ${address}`}>
            {text} {address}{' '}
            {at && (
              <Text span inherit c="dimmed">
                <Time at={at} absolute />
              </Text>
            )}
          </List.Item>
        ))}
      </List>
      {nextStep && (
        <Text size="sm" mt={4}>
          <b>{texts.next}:</b> {nextStep}
        </Text>
      )}
    </Box>
  );
}
