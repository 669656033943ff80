import {
  Anchor,
  Badge,
  Button,
  Card,
  Group,
  SimpleGrid,
  Skeleton,
  Stack,
  Table,
  Text,
  Textarea,
  Title,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/provisioning';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { Time } from '@/kit/time';
import { toastDone } from '@/kit/toasts';
import { useMay } from '@/session/session';

type Rollout = components['schemas']['KeyRolloutView'];

const PATH = '/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/rollout';
const STAGES = ['claimed', 'connected', 'approved', 'configured'] as const;
const SHOWN = 50;

/** How far the machines of a key have come, what was refused, and which of the expected ones are missing. */
export function KeyRollout({ org, keyId }: { org: string; keyId: string }) {
  const mayExpect = useMay(org)('updateSiteProvisioningKey');
  const { data: rollout } = useQuery(
    $api.queryOptions('get', PATH, {
      params: { path: { orgId: org, siteProvisioningKeyId: keyId }, query: { pageSize: SHOWN } },
    }),
  );
  if (!rollout) return <Skeleton h={90} />;
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={2}>{t.rollout.title}</Title>
        {mayExpect && (
          <Button variant="default" size="compact-sm" onClick={() => expectMachines(org, keyId)}>
            {t.rollout.expect}
          </Button>
        )}
      </Group>
      <SimpleGrid cols={{ base: 2, sm: 5 }}>
        <Stage label={t.rollout.stages.expected} value={rollout.expected} of={null} />
        {STAGES.map((stage) => (
          <Stage key={stage} label={t.rollout.stages[stage]} value={rollout[stage]} of={rollout.expected} />
        ))}
      </SimpleGrid>
      {!!rollout.unexpected && <Text size="sm">{t.rollout.unexpected(formatNumber(rollout.unexpected))}</Text>}
      {rollout.missing && rollout.missing.pagination.total > 0 && <Missing missing={rollout.missing} />}
      {rollout.refusals.length > 0 && <Refusals org={org} keyId={keyId} refusals={rollout.refusals} />}
    </Stack>
  );
}

function Stage({ label, value, of }: { label: string; value: number | null; of: number | null }) {
  return (
    <Card withBorder p="md">
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text fz={20} fw={600} style={{ fontVariantNumeric: 'tabular-nums' }}>
        {value === null ? t.rollout.any : formatNumber(value)}
      </Text>
      {of !== null && value !== null && value < of && (
        <Text size="sm" c="dimmed">
          {t.rollout.short(formatNumber(of - value))}
        </Text>
      )}
    </Card>
  );
}

function Missing({ missing: { devices, pagination } }: { missing: NonNullable<Rollout['missing']> }) {
  return (
    <Card withBorder>
      <Title order={3} mb="sm">
        {t.rollout.missing(formatNumber(pagination.total))}
      </Title>
      <Table withRowBorders={false} verticalSpacing={4}>
        <Table.Tbody>
          {devices.map(({ hardwareId, standing, lastRefusal }) => (
            <Table.Tr key={hardwareId}>
              <Table.Td pl={0}>
                <CopyId id={hardwareId} what={t.claims.columns.hardwareId} />
              </Table.Td>
              <Table.Td>
                <Badge variant="default" tt="none" fw={400}>
                  {t.rollout.standings[standing]}
                </Badge>
              </Table.Td>
              <Table.Td>
                {lastRefusal && (
                  <Text size="sm" c="dimmed" component="div">
                    {lastRefusal.reason} · <Time at={lastRefusal.at} />
                  </Text>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {pagination.total > devices.length && (
        <Text size="sm" c="dimmed" mt="xs">
          {t.rollout.more(formatNumber(pagination.total - devices.length))}
        </Text>
      )}
    </Card>
  );
}

function Refusals({ org, keyId, refusals }: { org: string; keyId: string; refusals: Rollout['refusals'] }) {
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={3}>{t.rollout.refusals}</Title>
        <Anchor
          size="sm"
          renderRoot={(props) => (
            <Link
              to="/org/$org/provisioning/claims"
              params={{ org }}
              search={{ key: keyId, outcome: 'refused' }}
              {...props}
            />
          )}
        >
          {t.rollout.toClaims}
        </Anchor>
      </Group>
      <Table withRowBorders={false} verticalSpacing={4}>
        <Table.Tbody>
          {refusals.map(({ reason, count, lastAt }) => (
            <Table.Tr key={reason}>
              <Table.Td pl={0}>{reason}</Table.Td>
              <Table.Td ta="right">{formatNumber(count)}</Table.Td>
              <Table.Td>
                <Time at={lastAt} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}

function expectMachines(org: string, keyId: string): void {
  const id = modals.open({
    title: t.rollout.expectTitle,
    size: 'lg',
    children: <Expect org={org} keyId={keyId} onClose={() => modals.close(id)} />,
  });
}

/** The list of a delivery note, kept with the key: from then on it says what is missing. */
function Expect({ org, keyId, onClose }: { org: string; keyId: string; onClose: () => void }) {
  const form = useForm({ mode: 'uncontrolled', initialValues: { hardwareIds: '' } });
  return (
    <ApiForm
      form={form}
      submitLabel={common.save}
      beside={
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.cancel}
        </Button>
      }
      onSubmit={async ({ hardwareIds }) => {
        await api.PUT('/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/expected', {
          params: { path: { orgId: org, siteProvisioningKeyId: keyId } },
          body: { hardwareIds: hardwareIds.split(/\s+/).filter(Boolean) },
        });
        toastDone(t.rollout.saved);
        onClose();
        await queryClient.invalidateQueries({ queryKey: ['get', PATH] });
      }}
    >
      <Textarea
        label={t.rollout.hardwareIds}
        description={t.rollout.hardwareIdsHint}
        autosize
        minRows={6}
        maxRows={16}
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
        spellCheck={false}
        data-autofocus
        key={form.key('hardwareIds')}
        {...form.getInputProps('hardwareIds')}
      />
    </ApiForm>
  );
}
