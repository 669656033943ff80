import { Badge, Button, Card, Group, Modal, Select, Skeleton, Stack, Table, Text, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/settings';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { confirmByName } from '@/kit/confirm';
import { CopyButton, CopyId } from '@/kit/copy';
import { Failure } from '@/kit/failure';
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { Time, useZoneLabel } from '@/kit/time';
import { toastDone } from '@/kit/toasts';
import { useMay } from '@/session/session';
import { CREDENTIAL_LIMITS } from '../../../../../../../contracts/index.js';

export const Route = createFileRoute('/_frame/org/$org/settings/keys')({ component: Keys });

function Keys() {
  const { org } = Route.useParams();
  return (
    <Stack>
      <SigningKeys org={org} />
      <Authorities org={org} />
    </Stack>
  );
}

const signingKeysQuery = (orgId: string) =>
  $api.queryOptions('get', '/org/{orgId}/signing-keys', { params: { path: { orgId } } });
const authoritiesQuery = (orgId: string) =>
  $api.queryOptions('get', '/org/{orgId}/certificate-authorities', { params: { path: { orgId } } });

function SigningKeys({ org }: { org: string }) {
  const may = useMay(org);
  const zone = useZoneLabel();
  const { data, error, refetch } = useQuery(signingKeysQuery(org));
  const { signing } = t.keys;
  const rotate = () =>
    confirmByName({
      title: signing.confirm.title,
      consequence: signing.confirm.consequence,
      name: org,
      confirmLabel: signing.confirm.label,
      onConfirm: async () => {
        await api.POST('/org/{orgId}/signing-key/rotate', { params: { path: { orgId: org } } });
        await queryClient.invalidateQueries({ queryKey: signingKeysQuery(org).queryKey });
        toastDone(signing.rotated);
      },
    });
  return (
    <Card withBorder>
      <Stack>
        <Group justify="space-between">
          <Title order={2}>{signing.title}</Title>
          {may('updateOrg') && (
            <Button variant="default" onClick={rotate}>
              {signing.rotate}
            </Button>
          )}
        </Group>
        <Text size="sm" c="dimmed">
          {signing.text}
        </Text>
        {error && !data && <Failure error={error} retry={refetch} />}
        {!data && !error && <Skeleton h={120} />}
        {data && (
          <>
            <Group gap="xs">
              <Text size="sm">{signing.fingerprint}</Text>
              <CopyId id={data.trustFingerprint} what={signing.fingerprint} />
            </Group>
            <Table.ScrollContainer minWidth={640}>
              <Table aria-label={signing.list} verticalSpacing="xs">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{signing.columns.seq}</Table.Th>
                    <Table.Th>{signing.columns.state}</Table.Th>
                    <Table.Th>{signing.columns.kid}</Table.Th>
                    <Table.Th>{`${signing.columns.createdAt} (${zone})`}</Table.Th>
                    <Table.Th>{`${signing.columns.retiredAt} (${zone})`}</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {data.keys.map(({ seq, state, kid, keptApart, createdAt, retiredAt }) => (
                    <Table.Tr key={kid}>
                      <Table.Td>{seq}</Table.Td>
                      <Table.Td>
                        <State label={signing.states[state]} isCurrent={state === 'current'} />
                        {keptApart && (
                          <Text size="xs" c="dimmed">
                            {signing.keptApart}
                          </Text>
                        )}
                      </Table.Td>
                      <Table.Td>
                        <CopyId id={kid} what={signing.columns.kid} />
                      </Table.Td>
                      <Table.Td>
                        <Time at={createdAt} absolute />
                      </Table.Td>
                      <Table.Td>{retiredAt && <Time at={retiredAt} absolute />}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          </>
        )}
      </Stack>
    </Card>
  );
}

function Authorities({ org }: { org: string }) {
  const may = useMay(org);
  const zone = useZoneLabel();
  const [rotating, { open, close }] = useDisclosure();
  const { data, error, refetch } = useQuery(authoritiesQuery(org));
  const { authorities } = t.keys;
  const list = data?.authorities;
  return (
    <Card withBorder>
      <Stack>
        <Group justify="space-between">
          <Title order={2}>{authorities.title}</Title>
          {may('updateOrg') && !!list?.length && (
            <Button variant="default" onClick={open}>
              {authorities.rotate}
            </Button>
          )}
        </Group>
        <Text size="sm" c="dimmed">
          {authorities.text}
        </Text>
        {error && !data && <Failure error={error} retry={refetch} />}
        {!list && !error && <Skeleton h={120} />}
        {list?.length === 0 && <Text c="dimmed">{authorities.none}</Text>}
        {list && list.length > 0 && (
          <Table.ScrollContainer minWidth={640}>
            <Table aria-label={authorities.list} verticalSpacing="xs">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{authorities.columns.state}</Table.Th>
                  <Table.Th>{authorities.columns.caId}</Table.Th>
                  <Table.Th>{`${authorities.columns.createdAt} (${zone})`}</Table.Th>
                  <Table.Th>{`${authorities.columns.trustedUntil} (${zone})`}</Table.Th>
                  <Table.Th ta="right">{authorities.columns.sites}</Table.Th>
                  <Table.Td />
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {list.map(({ caId, state, createdAt, trustedUntil, sites, certificate }) => (
                  <Table.Tr key={caId}>
                    <Table.Td>
                      <State label={authorities.states[state]} isCurrent={state === 'current'} />
                    </Table.Td>
                    <Table.Td>
                      <CopyId id={caId} what={authorities.columns.caId} />
                    </Table.Td>
                    <Table.Td>
                      <Time at={createdAt} absolute />
                    </Table.Td>
                    <Table.Td>
                      <Time at={trustedUntil} absolute otherwise={authorities.noEnd} />
                    </Table.Td>
                    <Table.Td ta="right">{formatNumber(sites)}</Table.Td>
                    <Table.Td>
                      <CopyButton text={certificate} what={authorities.copy} />
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </Stack>
      <Modal opened={rotating} onClose={close} title={authorities.form.title}>
        <RotateAuthority org={org} onDone={close} />
      </Modal>
    </Card>
  );
}

const OVERLAPS = Object.entries(t.keys.authorities.form.overlaps).map(([value, label]) => ({ value, label }));
/** As long as a certificate lives: whoever renews in time has moved by then. */
const USUAL = String(CREDENTIAL_LIMITS.certificateTtlSeconds);

function RotateAuthority({ org, onDone }: { org: string; onDone: () => void }) {
  const { form: texts, rotated } = t.keys.authorities;
  const form = useForm({ initialValues: { overlapSeconds: USUAL } });
  return (
    <ApiForm
      form={form}
      submitLabel={texts.submit}
      onSubmit={async ({ overlapSeconds }) => {
        await api.POST('/org/{orgId}/certificate-authority/rotate', {
          params: { path: { orgId: org } },
          body: { overlapSeconds: Number(overlapSeconds) },
        });
        await queryClient.invalidateQueries({ queryKey: authoritiesQuery(org).queryKey });
        toastDone(rotated);
        onDone();
      }}
    >
      <Text size="sm">{texts.text}</Text>
      <Select
        label={texts.overlap}
        data={OVERLAPS}
        allowDeselect={false}
        data-autofocus
        {...form.getInputProps('overlapSeconds')}
      />
    </ApiForm>
  );
}

const State = ({ label, isCurrent }: { label: string; isCurrent: boolean }) => (
  <Badge variant={isCurrent ? 'outline' : 'default'} color={isCurrent ? 'teal' : undefined} tt="none" fw={400}>
    {label}
  </Badge>
);
