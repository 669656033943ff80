import { Alert, NumberInput, Select, Stack, Switch, Textarea, TextInput } from '@mantine/core';
import { type UseFormReturnType, useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { t as common } from '@texts/common';
import { t } from '@texts/provisioning';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { ApiForm } from '@/kit/form';
import { useIsPhone } from '@/kit/use-is-phone';
import { useMay } from '@/session/session';
import { CREDENTIAL_LIMITS } from '../../../contracts/index.js';
import type { Template } from './queries';

type Body = components['schemas']['CreateTemplateBody'];

export interface TemplateValues {
  name: string;
  description: string;
  profileId: string | null;
  hardwareIdPattern: string;
  credentialType: Template['credentialType'];
  newtDoor: boolean;
  approveNewSites: boolean;
  nameTemplate: string;
  reclaimPolicy: Template['reclaimPolicy'];
  renewGraceSeconds: number;
  onReuse: Template['onReuse'];
}

/** A template as its form holds it; without one, what the API would take by itself. */
export const valuesOf = (template?: Template): TemplateValues => ({
  name: template?.name ?? '',
  description: template?.description ?? '',
  profileId: template?.profileId ? String(template.profileId) : null,
  hardwareIdPattern: template?.hardwareIdPattern ?? '',
  credentialType: template?.credentialType ?? 'api_key',
  newtDoor: template?.newtDoor ?? true,
  approveNewSites: template?.approveNewSites ?? true,
  nameTemplate: template?.nameTemplate ?? '',
  reclaimPolicy: template?.reclaimPolicy ?? 'recognise',
  renewGraceSeconds: template?.renewGraceSeconds ?? CREDENTIAL_LIMITS.renewGraceSeconds,
  onReuse: template?.onReuse ?? 'alert',
});

export const bodyOf = (values: TemplateValues): Body => ({
  ...values,
  description: values.description || null,
  profileId: values.profileId === null ? null : Number(values.profileId),
  hardwareIdPattern: values.hardwareIdPattern || null,
  nameTemplate: values.nameTemplate || null,
});

/** @param readOnly for who may not change templates */
export function TemplateForm({
  org,
  template,
  submitLabel,
  readOnly,
  onSubmit,
}: {
  org: string;
  template?: Template;
  submitLabel: string;
  readOnly?: boolean;
  onSubmit: (body: Body) => Promise<unknown>;
}) {
  const isPhone = useIsPhone();
  const form = useForm<TemplateValues>({ mode: 'uncontrolled', initialValues: valuesOf(template) });
  const fields = <Fields org={org} form={form} readOnly={readOnly || isPhone} />;
  // What one may not do is not offered.
  if (readOnly) return fields;
  if (isPhone)
    return (
      <Stack>
        <Alert variant="outline">{template ? common.readOnlyOnPhone : common.notOnPhone}</Alert>
        {template && fields}
      </Stack>
    );
  return (
    <ApiForm form={form} submitLabel={submitLabel} onSubmit={(values) => onSubmit(bodyOf(values))}>
      {fields}
    </ApiForm>
  );
}

const optionsOf = (texts: Record<string, string>) => Object.entries(texts).map(([value, label]) => ({ value, label }));

function Fields({
  org,
  form,
  readOnly,
}: {
  org: string;
  form: UseFormReturnType<TemplateValues>;
  readOnly: boolean | undefined;
}) {
  const may = useMay(org);
  const texts = t.templates.form;
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/provisioning-profiles', {
      params: { path: { orgId: org }, query: { pageSize: 1000 } },
    }),
    enabled: may('listProvisioningProfiles'),
  });
  const field = (name: keyof TemplateValues) => ({
    disabled: readOnly,
    ...form.getInputProps(name),
  });
  const toggle = (name: keyof TemplateValues) => ({
    disabled: readOnly,
    ...form.getInputProps(name, { type: 'checkbox' }),
  });
  return (
    <Stack gap="sm">
      <TextInput label={texts.name} autoComplete="off" key={form.key('name')} {...field('name')} />
      <Textarea
        label={texts.description}
        autosize
        minRows={2}
        key={form.key('description')}
        {...field('description')}
      />
      {data && (
        <Select
          label={texts.profileId}
          placeholder={texts.noProfile}
          clearable
          searchable={data.provisioningProfiles.length > 8}
          data={data.provisioningProfiles.map(({ profileId, name }) => ({ value: String(profileId), label: name }))}
          key={form.key('profileId')}
          {...field('profileId')}
        />
      )}
      <TextInput
        label={texts.hardwareIdPattern}
        description={texts.hardwareIdPatternHint}
        spellCheck={false}
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
        key={form.key('hardwareIdPattern')}
        {...field('hardwareIdPattern')}
      />
      <TextInput
        label={texts.nameTemplate}
        description={texts.nameTemplateHint}
        spellCheck={false}
        key={form.key('nameTemplate')}
        {...field('nameTemplate')}
      />
      <Select
        label={texts.credentialType}
        allowDeselect={false}
        data={optionsOf(t.templates.credentials)}
        key={form.key('credentialType')}
        {...field('credentialType')}
      />
      <Switch label={texts.newtDoor} key={form.key('newtDoor')} {...toggle('newtDoor')} />
      <Switch label={texts.approveNewSites} key={form.key('approveNewSites')} {...toggle('approveNewSites')} />
      <Select
        label={texts.reclaimPolicy}
        allowDeselect={false}
        data={optionsOf(texts.reclaim)}
        key={form.key('reclaimPolicy')}
        {...field('reclaimPolicy')}
      />
      <NumberInput
        label={texts.renewGraceSeconds}
        allowDecimal={false}
        allowNegative={false}
        thousandSeparator=","
        key={form.key('renewGraceSeconds')}
        {...field('renewGraceSeconds')}
      />
      <Select
        label={texts.onReuse}
        allowDeselect={false}
        data={optionsOf(texts.reuse)}
        key={form.key('onReuse')}
        {...field('onReuse')}
      />
    </Stack>
  );
}
