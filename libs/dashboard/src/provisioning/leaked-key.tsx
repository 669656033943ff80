import '@mantine/dates/styles.layer.css';
import { Badge, Button, Card, Group, Radio, Skeleton, Stack, Switch, TagsInput, Text } from '@mantine/core';
import { DateTimePicker } from '@mantine/dates';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { modals } from '@mantine/modals';
import { useQuery } from '@tanstack/react-query';
import { t as common } from '@texts/common';
import { t as provisioning } from '@texts/provisioning';
import { t } from '@texts/rollout';
import { api } from '@/api/client';
import { isProblem } from '@/api/problem';
import type { components } from '@/api/types';
import { Failure } from '@/kit/failure';
import { ApiForm, applyProblems } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { RowTable } from '@/kit/row-table';
import { ShownOnce } from '@/kit/shown-once';
import { Time } from '@/kit/time';
import { toastDone } from '@/kit/toasts';
import { useMay } from '@/session/session';
import { type Key, keysChanged } from './queries';
import { instantOf } from './until-field';

type Body = components['schemas']['LeakedKeyBody'];
type Leak = components['schemas']['LeakedKeyView'];
type Suspend = NonNullable<Body['suspend']>;

const texts = t.leaked;
const WAIT_MS = 300;

interface Values {
  since: string | null;
  networks: string[];
  measure: 'disable' | 'rotate';
  suspend: Suspend;
  pauseClaims: boolean;
}

/** What is looked at: the measures themselves change nothing of it but how many sites are suspended. */
const aboutOf = ({ since, networks, suspend }: Values): Body => ({
  ...(since === null ? {} : { since: instantOf(since)! }),
  ...(networks.length === 0 ? {} : { networks }),
  suspend,
});

const bodyOf = (values: Values): Body => ({
  ...aboutOf(values),
  [values.measure]: true,
  ...(values.pauseClaims ? { pauseClaims: true } : {}),
});

/** @param onStopped with the job that suspends what it made, if it made something */
export function openLeaked(key: Key, onStopped: (jobId: number | undefined) => void): void {
  const id = modals.open({
    title: texts.title(key.name),
    size: 'xl',
    children: <Leaked keyView={key} onStopped={onStopped} onClose={() => modals.close(id)} />,
  });
}

function Leaked({
  keyView: key,
  onStopped,
  onClose,
}: {
  keyView: Key;
  onStopped: (jobId: number | undefined) => void;
  onClose: () => void;
}) {
  const may = useMay(key.orgId);
  const params = { path: { orgId: key.orgId, siteProvisioningKeyId: key.siteProvisioningKeyId } };
  const mayDisable = may('updateSiteProvisioningKey');
  const mayRotate = may('rotateSiteProvisioningKey') && key.state !== 'revoked';
  const form = useForm<Values>({
    mode: 'controlled',
    initialValues: {
      since: null,
      networks: [],
      measure: mayDisable ? 'disable' : 'rotate',
      suspend: 'none',
      pauseClaims: false,
    },
  });
  const [about] = useDebouncedValue(JSON.stringify(aboutOf(form.values)), WAIT_MS);
  const { data: leak, error } = useQuery({
    queryKey: ['leaked', key.siteProvisioningKeyId, about],
    staleTime: 0,
    retry: (_count, problem) => isProblem(problem) && problem.isPassing,
    queryFn: async () => {
      try {
        const { data } = await api.POST('/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/leaked', {
          params,
          body: { ...(JSON.parse(about) as Body), dryRun: true },
        });
        return data!;
      } catch (problem) {
        // Said once, where it was typed, unless that was changed since.
        if (isProblem(problem, 'validation') && about === JSON.stringify(aboutOf(form.getValues())))
          applyProblems(form, problem);
        throw problem;
      }
    },
  });
  return (
    <ApiForm
      form={form}
      submitLabel={texts.submit}
      beside={
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.cancel}
        </Button>
      }
      onSubmit={async (given) => {
        const { data } = await api.POST('/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/leaked', {
          params,
          body: bodyOf(given),
        });
        onClose();
        onStopped(data!.job?.jobId);
        toastDone((given.measure === 'disable' ? texts.disabled : texts.rotated)(key.name));
        if (data!.siteProvisioningKey) showSecret(key.name, data!.siteProvisioningKey);
        await keysChanged();
      }}
    >
      <Text size="sm">{texts.intro}</Text>
      <DateTimePicker
        label={texts.since}
        description={texts.sinceHint}
        valueFormat="YYYY-MM-DD HH:mm"
        clearable
        clearButtonProps={{ 'aria-label': common.remove }}
        maxDate={new Date().toISOString()}
        {...form.getInputProps('since')}
      />
      <TagsInput
        label={texts.networks}
        description={texts.networksHint}
        splitChars={[',', ' ']}
        acceptValueOnBlur
        {...form.getInputProps('networks')}
      />
      {leak && (
        <Made leak={leak} onMine={(network) => form.setFieldValue('networks', [...form.values.networks, network])} />
      )}
      {!leak && (error ? !isProblem(error, 'validation') && <Failure error={error} /> : <Skeleton h={120} />)}
      <Radio.Group label={texts.measure} {...form.getInputProps('measure')}>
        <Stack gap="xs" mt={4}>
          {mayDisable && <Radio value="disable" {...of(texts.measures.disable)} />}
          {mayRotate && <Radio value="rotate" {...of(texts.measures.rotate)} />}
        </Stack>
      </Radio.Group>
      {may('updateSite') && (
        <Radio.Group label={texts.suspend} {...form.getInputProps('suspend')}>
          <Stack gap="xs" mt={4}>
            {(Object.keys(texts.suspends) as Suspend[]).map((value) => (
              <Radio key={value} value={value} {...of(texts.suspends[value])} />
            ))}
          </Stack>
        </Radio.Group>
      )}
      {may('pauseClaims') && (
        <Switch
          label={texts.pause}
          description={texts.pauseHint}
          {...form.getInputProps('pauseClaims', { type: 'checkbox' })}
        />
      )}
      <Text size="sm" fw={500} aria-live="polite">
        {leak && texts.will(leak.suspends, formatNumber(leak.suspends))}
      </Text>
    </ApiForm>
  );
}

const of = ({ label, hint }: { label: string; hint: string }) => ({ label, description: hint });

/** What the key made since then, from networks that are known and from others. */
function Made({ leak: { known, new: fresh, networks }, onMine }: { leak: Leak; onMine: (network: string) => void }) {
  const waiting = known.sites + fresh.sites - known.approved - fresh.approved;
  const say = (how: typeof texts.known, { sites, networks: from }: Leak['known']) =>
    how(sites, formatNumber(sites), from, formatNumber(from));
  return (
    <Card withBorder p="md">
      <Stack gap="sm">
        <Text size="sm" fw={500} aria-live="polite">
          {texts.made(say(texts.known, known), say(texts.fresh, fresh))}
        </Text>
        {waiting > 0 && <Text size="sm">{texts.pending(waiting, formatNumber(waiting))}</Text>}
        {networks.length > 0 && (
          <RowTable
            label={texts.list}
            rows={networks}
            rowId={({ network }) => network ?? ''}
            columns={[
              {
                title: texts.columns.network,
                render: ({ network, known: isKnown }) => (
                  <Group gap="xs">
                    {network ?? texts.unknownNetwork}
                    <Badge variant="dot" color={isKnown ? 'gray' : 'orange.6'} tt="none" fw={500}>
                      {isKnown ? texts.isKnown : texts.isNew}
                    </Badge>
                    {network && !isKnown && (
                      <Button
                        size="compact-xs"
                        variant="subtle"
                        aria-label={texts.isMineOf(network)}
                        onClick={() => onMine(network)}
                      >
                        {texts.isMine}
                      </Button>
                    )}
                  </Group>
                ),
              },
              { title: texts.columns.sites, render: ({ sites }) => formatNumber(sites), isNumber: true },
              { title: texts.columns.approved, render: ({ approved }) => formatNumber(approved), isNumber: true },
              { title: texts.columns.first, render: ({ firstAt }) => <Time at={firstAt} /> },
              { title: texts.columns.last, render: ({ lastAt }) => <Time at={lastAt} /> },
            ]}
          />
        )}
      </Stack>
    </Card>
  );
}

function showSecret(name: string, secret: string): void {
  modals.open({
    title: provisioning.issued.title(name),
    size: 'lg',
    // Nothing shows it again: a click beside it must not close it.
    closeOnClickOutside: false,
    children: (
      <ShownOnce
        hint={provisioning.issued.once}
        label={provisioning.issued.secret}
        secret={secret}
        copyLabel={provisioning.issued.copyKey}
      />
    ),
  });
}
