import { Button, Group, NumberInput, Select, Skeleton, Switch, TextInput } from '@mantine/core';
import { type UseFormReturnType, useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { useQuery } from '@tanstack/react-query';
import { t as common } from '@texts/common';
import { t } from '@texts/resources';
import { useState } from 'react';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { Failure } from '@/kit/failure';
import { ApiForm } from '@/kit/form';
import { toastDone } from '@/kit/toasts';
import { VersionedForm } from '@/kit/versioned-form';
import { SiteSelect } from '@/sites/site-select';
import { type Resource, resourcesChanged, type Target } from './queries';

interface Values {
  siteId: string | null;
  ip: string;
  port: number | '';
  method: 'http' | 'https' | 'h2c' | null;
  insecureTls: boolean;
  path: string;
  pathMatchType: 'exact' | 'prefix' | 'regex' | null;
  priority: number | '';
  enabled: boolean;
  hcEnabled: boolean;
  hcPath: string;
  hcInterval: number | '';
  hcTimeout: number | '';
}

type Read = Omit<Target, 'hcHeaders' | 'siteType' | 'siteName'>;

const valuesOf = (target: Read): Values => ({
  siteId: String(target.siteId),
  ip: target.ip,
  port: target.port,
  method: target.method as Values['method'],
  insecureTls: target.insecureTls,
  path: target.path ?? '',
  pathMatchType: target.pathMatchType,
  priority: target.priority,
  enabled: target.enabled,
  hcEnabled: target.hcEnabled,
  hcPath: target.hcPath ?? '',
  hcInterval: target.hcInterval ?? '',
  hcTimeout: target.hcTimeout ?? '',
});

/** What of a target the API is told: what was left empty is null, or left out where the API has no null. */
function bodyOf(values: Partial<Values>) {
  const { siteId, port, priority, path, hcPath, hcInterval, hcTimeout, ...rest } = values;
  return {
    ...rest,
    ...(siteId ? { siteId: Number(siteId) } : {}),
    ...(port ? { port } : {}),
    ...(priority ? { priority } : {}),
    ...(path === undefined ? {} : { path: path || null }),
    ...(hcPath === undefined ? {} : { hcPath: hcPath || null }),
    ...(hcInterval === undefined ? {} : { hcInterval: hcInterval || null }),
    ...(hcTimeout === undefined ? {} : { hcTimeout: hcTimeout || null }),
  };
}

export const nameOf = ({ ip, port }: { ip: string; port: number | '' }): string =>
  `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;

/** Asks for a new target, in a dialog. */
export function addTarget(resource: Resource): void {
  const id = modals.open({
    title: t.targets.addTitle,
    children: <Add resource={resource} onClose={() => modals.close(id)} />,
  });
}

function Add({ resource: { resourceId, orgId, mode }, onClose }: { resource: Resource; onClose: () => void }) {
  const [idempotencyKey] = useState(newIdempotencyKey);
  const form = useForm<Values>({
    mode: 'uncontrolled',
    initialValues: {
      siteId: null,
      ip: 'localhost',
      port: '',
      method: mode === 'http' ? 'http' : null,
      insecureTls: false,
      path: '',
      pathMatchType: null,
      priority: '',
      enabled: true,
      hcEnabled: false,
      hcPath: '',
      hcInterval: '',
      hcTimeout: '',
    },
  });
  return (
    <ApiForm
      form={form}
      submitLabel={t.targets.add}
      beside={
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.cancel}
        </Button>
      }
      onSubmit={async (values) => {
        await api.PUT('/resource/{resourceId}/target', {
          params: { path: { resourceId }, header: { 'Idempotency-Key': idempotencyKey } },
          body: bodyOf(values) as components['schemas']['CreateTargetBody'],
        });
        onClose();
        toastDone(t.targets.added(nameOf(values)));
        await resourcesChanged();
      }}
    >
      <Fields org={orgId} form={form} isHttp={mode === 'http'} />
    </ApiForm>
  );
}

/** Changes a target, in a dialog. */
export function editTarget(org: string, target: Target): void {
  const id = modals.open({
    title: t.targets.editTitle(nameOf(target)),
    children: <Edit org={org} target={target} onClose={() => modals.close(id)} />,
  });
}

function Edit({ org, target, onClose }: { org: string; target: Target; onClose: () => void }) {
  const { targetId } = target;
  const options = $api.queryOptions('get', '/target/{targetId}', { params: { path: { targetId } } });
  const { data, error, refetch } = useQuery(options);
  if (error && !data) return <Failure error={error} retry={refetch} />;
  if (data?.targetId !== targetId) return <Skeleton h={360} />;
  return (
    <VersionedForm
      read={data}
      valuesOf={valuesOf}
      labels={t.targets.labels}
      readAgain={() => queryClient.fetchQuery({ ...options, staleTime: 0 })}
      save={async (changed, header) => {
        await api.POST('/target/{targetId}', {
          params: { path: { targetId }, header },
          // The API wants to know where it is, whatever is changed of it.
          body: { siteId: data.siteId, ip: data.ip, ...bodyOf(changed) },
        });
        onClose();
        toastDone(t.targets.saved(nameOf({ ...data, ...changed })));
        await resourcesChanged();
      }}
    >
      {(form) => (
        <Fields
          org={org}
          form={form}
          isHttp={data.mode === 'http'}
          known={{ value: String(target.siteId), label: target.siteName }}
        />
      )}
    </VersionedForm>
  );
}

function Fields({
  org,
  form,
  isHttp,
  known,
}: {
  org: string;
  form: UseFormReturnType<Values>;
  isHttp: boolean;
  known?: { value: string; label: string };
}) {
  const { labels } = t.targets;
  return (
    <>
      <SiteSelect
        org={org}
        label={labels.siteId}
        known={known ? [known] : []}
        key={form.key('siteId')}
        {...form.getInputProps('siteId')}
      />
      <Group grow align="flex-start" gap="sm">
        <TextInput
          label={labels.ip}
          description={t.targets.ipHint}
          spellCheck={false}
          key={form.key('ip')}
          {...form.getInputProps('ip')}
        />
        <NumberInput
          label={labels.port}
          description=" "
          allowDecimal={false}
          allowNegative={false}
          key={form.key('port')}
          {...form.getInputProps('port')}
        />
      </Group>
      {isHttp && (
        <>
          <Select
            label={labels.method}
            allowDeselect={false}
            data={['http', 'https', 'h2c']}
            key={form.key('method')}
            {...form.getInputProps('method')}
          />
          <Switch
            label={labels.insecureTls}
            description={t.targets.insecureTlsHint}
            key={form.key('insecureTls')}
            {...form.getInputProps('insecureTls', { type: 'checkbox' })}
          />
          <Group grow align="flex-start" gap="sm">
            <TextInput
              label={labels.path}
              description={t.targets.pathHint}
              spellCheck={false}
              key={form.key('path')}
              {...form.getInputProps('path')}
            />
            <Select
              label={labels.pathMatchType}
              description=" "
              clearable
              data={Object.entries(t.targets.matches).map(([value, label]) => ({ value, label }))}
              key={form.key('pathMatchType')}
              {...form.getInputProps('pathMatchType')}
            />
          </Group>
        </>
      )}
      <NumberInput
        label={labels.priority}
        placeholder="100"
        allowDecimal={false}
        allowNegative={false}
        key={form.key('priority')}
        {...form.getInputProps('priority')}
      />
      <Switch
        label={labels.enabled}
        key={form.key('enabled')}
        {...form.getInputProps('enabled', { type: 'checkbox' })}
      />
      <Switch
        label={labels.hcEnabled}
        key={form.key('hcEnabled')}
        {...form.getInputProps('hcEnabled', { type: 'checkbox' })}
      />
      <Group grow align="flex-end" gap="sm">
        {isHttp && (
          <TextInput
            label={labels.hcPath}
            placeholder="/healthz"
            spellCheck={false}
            key={form.key('hcPath')}
            {...form.getInputProps('hcPath')}
          />
        )}
        <NumberInput
          label={labels.hcInterval}
          placeholder="30"
          allowDecimal={false}
          key={form.key('hcInterval')}
          {...form.getInputProps('hcInterval')}
        />
        <NumberInput
          label={labels.hcTimeout}
          placeholder="5"
          allowDecimal={false}
          key={form.key('hcTimeout')}
          {...form.getInputProps('hcTimeout')}
        />
      </Group>
    </>
  );
}
