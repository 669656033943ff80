import {
  Alert,
  NumberInput,
  Paper,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Textarea,
  TextInput,
  Title,
} from '@mantine/core';
import { IconAlertCircle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/resources';
import { api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { CopyId } from '@/kit/copy';
import { Facts } from '@/kit/facts';
import { formatNumber } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { toastDone } from '@/kit/toasts';
import { useIsPhone } from '@/kit/use-is-phone';
import { VersionedForm } from '@/kit/versioned-form';
import { ResourceChain } from '@/resources/chain';
import { Address, HealthBadge, TargetHealth } from '@/resources/parts';
import { type Resource, resourceQuery, resourcesChanged, targetsQuery, useDomains } from '@/resources/queries';
import { nameOf } from '@/resources/target-form';
import { ResourceTraffic } from '@/resources/traffic';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/resources/public/$resource/')({
  component: Overview,
  staticData: { action: 'getResource' },
});

function Overview() {
  const { org, resource } = Route.useParams();
  const { data } = useQuery(resourceQuery(Number(resource)));
  const may = useMay(org);
  const targets = useQuery({ ...targetsQuery(Number(resource)), enabled: may('listTargets') });
  if (!data) return null;
  const count = targets.data?.pagination.total;
  return (
    <Stack>
      {may('listTargets') && <ResourceChain resourceId={data.resourceId} />}
      {may('viewLogs') && data.mode === 'http' && <ResourceTraffic org={org} resourceId={data.resourceId} />}
      <SimpleGrid cols={{ base: 1, md: 2 }} style={{ alignItems: 'start' }}>
        <Stack>
          {data.portError !== null && (
            <Alert color="red" variant="outline" icon={<IconAlertCircle />} title={t.overview.notServed}>
              {t.overview.portError(data.portError)}
            </Alert>
          )}
          <Facts
            title={t.public.tabs.overview}
            facts={[
              [t.overview.state, data.enabled ? t.enabled : t.disabled],
              [t.overview.address, <Address key="address" of={data} />],
              [t.overview.health, <HealthBadge key="health" health={data.health} />],
              [t.overview.targets, count === undefined ? undefined : formatNumber(count)],
              [t.public.columns.niceId, <CopyId key="niceId" id={data.niceId} what={t.public.columns.niceId} />],
            ]}
          />
          {targets.data && targets.data.targets.length > 0 && (
            <Facts
              title={t.overview.byTarget}
              facts={targets.data.targets.map((target) => [
                nameOf(target),
                <TargetHealth key={target.targetId} of={target} />,
              ])}
            />
          )}
          {count === 0 && (
            <Alert color="orange" variant="outline">
              {t.overview.noTargets}{' '}
              {may('createTarget') && (
                <PageLink to="/org/$org/resources/public/$resource/targets" params={{ org, resource }}>
                  {t.overview.addTarget}
                </PageLink>
              )}
            </Alert>
          )}
        </Stack>
        <Paper withBorder p="lg">
          <Title order={2} mb="sm">
            {t.settings.title}
          </Title>
          <Settings key={data.resourceId} resource={data} />
        </Paper>
      </SimpleGrid>
    </Stack>
  );
}

const valuesOf = (resource: Resource) => ({
  name: resource.name,
  niceId: resource.niceId,
  domainId: resource.domainId,
  subdomain: resource.subdomain ?? '',
  proxyPort: (resource.proxyPort ?? '') as number | '',
  ssl: resource.ssl,
  stickySession: resource.stickySession,
  setHostHeader: resource.setHostHeader ?? '',
  tlsServerName: resource.tlsServerName ?? '',
  responseTimeoutSeconds: resource.responseTimeoutSeconds as number | '',
  staleSeconds: (resource.staleSeconds ?? '') as number | '',
  maintenanceModeEnabled: resource.maintenanceModeEnabled,
  maintenanceTitle: resource.maintenanceTitle ?? '',
  maintenanceMessage: resource.maintenanceMessage ?? '',
});

/** Texts that may be empty: to the API that is null. */
const NULLABLE = ['subdomain', 'setHostHeader', 'tlsServerName', 'maintenanceTitle', 'maintenanceMessage'] as const;

function Settings({ resource }: { resource: Resource }) {
  const { resourceId, orgId, mode } = resource;
  const domains = useDomains(orgId);
  const isPhone = useIsPhone();
  const mayChange = useMay(orgId)('updateResource');
  const { labels } = t.settings;
  return (
    <VersionedForm
      read={resource}
      valuesOf={valuesOf}
      labels={labels}
      readOnly={!mayChange || isPhone}
      readAgain={() => queryClient.fetchQuery({ ...resourceQuery(resourceId), staleTime: 0 })}
      save={async ({ domainId, proxyPort, responseTimeoutSeconds, staleSeconds, ...changed }, header) => {
        const emptied = Object.fromEntries(NULLABLE.filter((name) => changed[name] === '').map((name) => [name, null]));
        await api.POST('/resource/{resourceId}', {
          params: { path: { resourceId }, header },
          body: {
            ...changed,
            ...emptied,
            ...(domainId ? { domainId } : {}),
            ...(proxyPort ? { proxyPort } : {}),
            ...(responseTimeoutSeconds ? { responseTimeoutSeconds } : {}),
            ...(staleSeconds === undefined ? {} : { staleSeconds: staleSeconds === '' ? null : staleSeconds }),
          },
        });
        toastDone(t.public.saved(changed.name ?? resource.name));
        await resourcesChanged();
      }}
    >
      {(form) => (
        <>
          {mayChange && isPhone && <Alert variant="outline">{common.readOnlyOnPhone}</Alert>}
          <TextInput label={labels.name} key={form.key('name')} {...form.getInputProps('name')} />
          <TextInput
            label={labels.niceId}
            spellCheck={false}
            key={form.key('niceId')}
            {...form.getInputProps('niceId')}
          />
          {mode === 'http' ? (
            <>
              <Select
                label={labels.domainId}
                allowDeselect={false}
                data={
                  domains?.map(({ domainId, baseDomain }) => ({ value: domainId, label: baseDomain })) ??
                  (resource.domainId ? [resource.domainId] : [])
                }
                key={form.key('domainId')}
                {...form.getInputProps('domainId')}
              />
              <TextInput
                label={labels.subdomain}
                spellCheck={false}
                key={form.key('subdomain')}
                {...form.getInputProps('subdomain')}
              />
              <Switch label={labels.ssl} key={form.key('ssl')} {...form.getInputProps('ssl', { type: 'checkbox' })} />
              <Switch
                label={labels.stickySession}
                key={form.key('stickySession')}
                {...form.getInputProps('stickySession', { type: 'checkbox' })}
              />
              <TextInput
                label={labels.setHostHeader}
                spellCheck={false}
                key={form.key('setHostHeader')}
                {...form.getInputProps('setHostHeader')}
              />
              <TextInput
                label={labels.tlsServerName}
                spellCheck={false}
                key={form.key('tlsServerName')}
                {...form.getInputProps('tlsServerName')}
              />
              <NumberInput
                label={labels.responseTimeoutSeconds}
                min={1}
                allowDecimal={false}
                key={form.key('responseTimeoutSeconds')}
                {...form.getInputProps('responseTimeoutSeconds')}
              />
              <NumberInput
                label={labels.staleSeconds}
                description={t.settings.staleHint}
                min={0}
                allowDecimal={false}
                key={form.key('staleSeconds')}
                {...form.getInputProps('staleSeconds')}
              />
              <Switch
                label={labels.maintenanceModeEnabled}
                key={form.key('maintenanceModeEnabled')}
                {...form.getInputProps('maintenanceModeEnabled', { type: 'checkbox' })}
              />
              <TextInput
                label={labels.maintenanceTitle}
                key={form.key('maintenanceTitle')}
                {...form.getInputProps('maintenanceTitle')}
              />
              <Textarea
                label={labels.maintenanceMessage}
                autosize
                minRows={2}
                key={form.key('maintenanceMessage')}
                {...form.getInputProps('maintenanceMessage')}
              />
            </>
          ) : (
            <NumberInput
              label={labels.proxyPort}
              allowDecimal={false}
              allowNegative={false}
              key={form.key('proxyPort')}
              {...form.getInputProps('proxyPort')}
            />
          )}
        </>
      )}
    </VersionedForm>
  );
}
