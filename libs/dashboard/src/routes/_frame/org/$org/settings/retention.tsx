import { Card, NumberInput, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/settings';
import { api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components, Versioned } from '@/api/types';
import { Failure } from '@/kit/failure';
import { toastDone } from '@/kit/toasts';
import { VersionedForm } from '@/kit/versioned-form';
import { orgQuery } from '@/orgs/org-query';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/settings/retention')({ component: Retention });

type Read = components['schemas']['OrgAnswer'] & Versioned;
const LOGS = ['settingsLogRetentionDaysRequest', 'settingsLogRetentionDaysAccess'] as const;
type Values = Record<(typeof LOGS)[number], number>;

const valuesOf = ({ org }: Read): Values => ({
  settingsLogRetentionDaysRequest: org.settingsLogRetentionDaysRequest,
  settingsLogRetentionDaysAccess: org.settingsLogRetentionDaysAccess,
});

/** How long the logs of public resources are kept. */
function Retention() {
  const { org } = Route.useParams();
  const may = useMay(org);
  const { data, error, refetch } = useQuery(orgQuery(org));
  if (error && !data) return <Failure error={error} retry={refetch} />;
  if (!data) return <Skeleton h={240} />;
  const save = async (body: Partial<Values>, header: Record<string, string>) => {
    await api.POST('/org/{orgId}', { params: { path: { orgId: org }, header }, body });
    await queryClient.invalidateQueries({ queryKey: orgQuery(org).queryKey });
    toastDone(t.retention.done);
  };
  return (
    <Card withBorder maw={760}>
      <Stack>
        <Title order={2}>{t.retention.title}</Title>
        <Text size="sm">{t.retention.text}</Text>
        <VersionedForm
          read={data}
          valuesOf={valuesOf}
          labels={t.retention.fields}
          save={save}
          readAgain={() => queryClient.fetchQuery({ ...orgQuery(org), staleTime: 0 })}
          readOnly={!may('updateOrg')}
        >
          {(form) =>
            LOGS.map((log) => (
              <NumberInput
                key={form.key(log)}
                label={t.retention.fields[log]}
                description={t.retention.hints[log]}
                min={-1}
                max={36_500}
                allowDecimal={false}
                {...form.getInputProps(log)}
              />
            ))
          }
        </VersionedForm>
      </Stack>
    </Card>
  );
}
