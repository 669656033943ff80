import { Badge, Button, Card, Group, Modal, Select, Skeleton, Stack, Text, Title } from '@mantine/core';
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
import { RowTable } from '@/kit/row-table';
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
            <RowTable
              label={signing.list}
              rows={data.keys}
              rowId={({ kid }) => kid}
              columns={[
                { title: signing.columns.seq, render: ({ seq }) => seq },
                {
                  title: signing.columns.state,
                  render: ({ state, keptApart }) => (
                    <>
                      <State label={signing.states[state]} isCurrent={state === 'current'} />
                      {keptApart && (
                        <Text size="xs" c="dimmed">
                          {signing.keptApart}
                        </Text>
                      )}
                    </>
                  ),
                },
                { title: signing.columns.kid, render: ({ kid }) => <CopyId id={kid} what={signing.columns.kid} /> },
                {
                  title: `${signing.columns.createdAt} (${zone})`,
                  render: ({ createdAt }) => <Time at={createdAt} absolute />,
                },
                {
                  title: `${signing.columns.retiredAt} (${zone})`,
                  render: ({ retiredAt }) => retiredAt && <Time at={retiredAt} absolute />,
                },
              ]}
            />
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
          <RowTable
            label={authorities.list}
            rows={list}
            rowId={({ caId }) => caId}
            columns={[
              {
                title: authorities.columns.state,
                render: ({ state }) => <State label={authorities.states[state]} isCurrent={state === 'current'} />,
              },
              {
                title: authorities.columns.caId,
                render: ({ caId }) => <CopyId id={caId} what={authorities.columns.caId} />,
              },
              {
                title: `${authorities.columns.createdAt} (${zone})`,
                render: ({ createdAt }) => <Time at={createdAt} absolute />,
              },
              {
                title: `${authorities.columns.trustedUntil} (${zone})`,
                render: ({ trustedUntil }) => <Time at={trustedUntil} absolute otherwise={authorities.noEnd} />,
              },
              { title: authorities.columns.sites, render: ({ sites }) => formatNumber(sites), isNumber: true },
              {
                title: ' ',
                render: ({ certificate }) => <CopyButton text={certificate} what={authorities.copy} />,
              },
            ]}
          />
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
