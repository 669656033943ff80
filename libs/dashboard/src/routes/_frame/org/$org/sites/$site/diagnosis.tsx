import { Card, Group, Skeleton, Stack, Text } from '@mantine/core';
import { IconCircleCheck, IconCircleX, IconHelpCircle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/site';
import { Failure } from '@/kit/failure';
import { Time } from '@/kit/time';
import { Evidence } from '@/sites/evidence';
import { type DiagnosisCheck, diagnosisQuery } from '@/sites/queries';

/** Why a site is not online, or not in service: every check, in the order of causes. */
export const Route = createFileRoute('/_frame/org/$org/sites/$site/diagnosis')({
  component: SiteDiagnosis,
  staticData: { action: 'getSite' },
});

const ICONS: Record<DiagnosisCheck['state'], [icon: typeof IconCircleX, color: string]> = {
  ok: [IconCircleCheck, 'teal.6'],
  failed: [IconCircleX, 'red.6'],
  unknown: [IconHelpCircle, 'gray.6'],
};

function SiteDiagnosis() {
  const { site } = Route.useParams();
  const { data, error, refetch } = useQuery(diagnosisQuery(site));
  if (error && !data) return <Failure error={error} retry={refetch} />;
  if (!data) return <Skeleton h={320} />;
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        {data.cause === null ? t.cause.none : t.diagnosis.intro}
      </Text>
      <Card withBorder p={0} component="ol" m={0} aria-label={t.diagnosis.list} style={{ listStyle: 'none' }}>
        {data.checks.map((check) => (
          <Check key={check.check} check={check} isCause={check.check === data.cause} />
        ))}
      </Card>
    </Stack>
  );
}

function Check({ check, isCause }: { check: DiagnosisCheck; isCause: boolean }) {
  const [Icon, color] = ICONS[check.state];
  const [name, shade] = color.split('.');
  return (
    <li
      style={{
        padding: '10px 16px',
        borderTop: '1px solid var(--mantine-color-default-border)',
        ...(isCause ? { boxShadow: 'inset 3px 0 0 var(--mantine-color-red-6)' } : {}),
      }}
      aria-current={isCause || undefined}
    >
      <Group wrap="nowrap" align="flex-start" gap="sm">
        <Icon size={20} color={`var(--mantine-color-${name}-${shade})`} style={{ flex: 'none' }} aria-hidden />
        <Stack gap={4} style={{ flex: 1, minWidth: 0 }}>
          <Group justify="space-between" gap="xs">
            <Text size="sm" fw={isCause ? 700 : 500}>
              {t.diagnosis.checks[check.check]}
            </Text>
            <Text size="sm" c="dimmed" component="div">
              {t.diagnosis.states[check.state]}
              {check.since && (
                <>
                  {' · '}
                  <Time at={check.since} />
                </>
              )}
            </Text>
          </Group>
          <Evidence check={check} />
        </Stack>
      </Group>
    </li>
  );
}
