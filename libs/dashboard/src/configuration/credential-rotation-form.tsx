import '@mantine/dates/styles.layer.css';
import { Button, NumberInput, Select, SimpleGrid, TagsInput, Text, TextInput } from '@mantine/core';
import { DateTimePicker } from '@mantine/dates';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { modals } from '@mantine/modals';
import { useQuery } from '@tanstack/react-query';
import { t as common } from '@texts/common';
import { t } from '@texts/configuration';
import { t as provisioning } from '@texts/provisioning';
import { useState } from 'react';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { toastDone } from '@/kit/toasts';
import { useKeys, useTemplates } from '@/provisioning/queries';
import { instantOf } from '@/provisioning/until-field';

type Filter = components['schemas']['RotationFilter'];
type Kind = NonNullable<Filter['credentialKind']>;

const texts = t.rotations.form;
const WAIT_MS = 300;
/** What the API takes by itself where nothing is said. */
const DEFAULTS = { stopAtFailurePercent: 5, overlapSeconds: '3600' };

interface Values {
  filter: {
    credentialKind: Kind | null;
    credentialExpiresBefore: string | null;
    group: string;
    label: string[];
    keyId: string | null;
    templateId: string | null;
  };
  perMinute: number | '';
  stopAtFailurePercent: number | '';
  overlapSeconds: string;
}

/** Without what was left empty. */
function filterOf({ filter }: Values): Filter {
  const { credentialKind, credentialExpiresBefore, group, label, keyId, templateId } = filter;
  return {
    ...(credentialKind ? { credentialKind } : {}),
    ...(credentialExpiresBefore ? { credentialExpiresBefore: instantOf(credentialExpiresBefore)! } : {}),
    ...(group ? { group } : {}),
    ...(label.length > 0 ? { label } : {}),
    ...(keyId ? { keyId } : {}),
    ...(templateId ? { templateId: Number(templateId) } : {}),
  };
}

const bodyOf = (values: Values): components['schemas']['RotateFleetBody'] => ({
  filter: filterOf(values),
  ...(values.perMinute === '' ? {} : { perMinute: values.perMinute }),
  stopAtFailurePercent:
    values.stopAtFailurePercent === '' ? DEFAULTS.stopAtFailurePercent : values.stopAtFailurePercent,
  overlapSeconds: Number(values.overlapSeconds),
});

/** Asks which sites take another credential, and how fast. @param onBegun hears the job */
export function rotateCredentials(org: string, onBegun: (jobId: number) => void): void {
  const id = modals.open({
    title: texts.title,
    size: 'lg',
    children: <RotateCredentials org={org} onBegun={onBegun} onClose={() => modals.close(id)} />,
  });
}

function RotateCredentials({
  org,
  onBegun,
  onClose,
}: {
  org: string;
  onBegun: (jobId: number) => void;
  onClose: () => void;
}) {
  const [idempotencyKey] = useState(newIdempotencyKey);
  const keys = useKeys(org);
  const templates = useTemplates(org);
  const form = useForm<Values>({
    mode: 'controlled',
    initialValues: {
      filter: {
        credentialKind: null,
        credentialExpiresBefore: null,
        group: '',
        label: [],
        keyId: null,
        templateId: null,
      },
      perMinute: '',
      ...DEFAULTS,
    },
  });
  // A list of sites knows no kinds of credentials: of those it is said that there are fewer.
  const { credentialKind, ...about } = filterOf(form.values);
  const [asked] = useDebouncedValue(JSON.stringify(about), WAIT_MS);
  const { data, error } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/sites', {
      params: { path: { orgId: org }, query: { ...(JSON.parse(asked) as Omit<Filter, 'siteIds'>), pageSize: 1 } },
    }),
  });
  const count = error ? undefined : data?.pagination.total;
  return (
    <ApiForm
      form={form}
      submitLabel={texts.submit}
      beside={
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.cancel}
        </Button>
      }
      onSubmit={async (values) => {
        const { data: job } = await api.POST('/org/{orgId}/credential-rotations', {
          params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
          body: bodyOf(values),
        });
        onClose();
        toastDone(texts.begun);
        await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/credential-rotations'] });
        onBegun(job!.jobId);
      }}
    >
      <Text size="sm">{texts.intro}</Text>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Select
          label={texts.kind}
          placeholder={texts.anyKind}
          clearable
          data={[
            ...Object.entries(provisioning.templates.credentials).map(([value, label]) => ({ value, label })),
            { value: 'newt', label: texts.newt },
          ]}
          {...form.getInputProps('filter.credentialKind')}
        />
        <DateTimePicker
          label={texts.endsBefore}
          valueFormat="YYYY-MM-DD HH:mm"
          clearable
          clearButtonProps={{ 'aria-label': common.remove }}
          {...form.getInputProps('filter.credentialExpiresBefore')}
        />
        <TextInput label={texts.group} autoComplete="off" {...form.getInputProps('filter.group')} />
        <TagsInput
          label={texts.labels}
          placeholder={texts.labelHint}
          acceptValueOnBlur
          {...form.getInputProps('filter.label')}
        />
        {keys && (
          <Select
            label={texts.key}
            clearable
            searchable
            data={keys.map(({ siteProvisioningKeyId, name }) => ({ value: siteProvisioningKeyId, label: name }))}
            {...form.getInputProps('filter.keyId')}
          />
        )}
        {templates && (
          <Select
            label={texts.template}
            clearable
            searchable
            data={templates.map(({ templateId, name }) => ({ value: String(templateId), label: name }))}
            {...form.getInputProps('filter.templateId')}
          />
        )}
        <NumberInput
          label={texts.perMinute}
          placeholder={t.rollout.ofOneTenth}
          allowDecimal={false}
          allowNegative={false}
          {...form.getInputProps('perMinute')}
        />
        <NumberInput
          label={texts.stopAtFailurePercent}
          allowNegative={false}
          max={100}
          {...form.getInputProps('stopAtFailurePercent')}
        />
        <Select
          label={texts.overlap}
          allowDeselect={false}
          data={Object.entries(provisioning.onKey.overlaps).map(([value, label]) => ({ value, label }))}
          {...form.getInputProps('overlapSeconds')}
        />
      </SimpleGrid>
      <Text size="sm" fw={500} aria-live="polite">
        {count !== undefined && texts.sentence(count, formatNumber(count), credentialKind !== undefined)}
      </Text>
    </ApiForm>
  );
}
