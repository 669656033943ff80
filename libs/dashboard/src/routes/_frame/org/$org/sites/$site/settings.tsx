import {
  Button,
  Card,
  Group,
  MultiSelect,
  Paper,
  Select,
  SimpleGrid,
  Stack,
  TagsInput,
  Text,
  Textarea,
  TextInput,
  Title,
} from '@mantine/core';
import { useSuspenseQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/site';
import { t as acts } from '@texts/site-acts';
import type { ReactNode } from 'react';
import { api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { useProfiles } from '@/configuration/queries';
import { toastDone } from '@/kit/toasts';
import { VersionedForm } from '@/kit/versioned-form';
import { useMay } from '@/session/session';
import { labelsOf, writeLabels } from '@/sites/label-texts';
import { type SiteView, siteQuery, sitesChanged, useGroups } from '@/sites/queries';
import { allowReclaim, remove, restart, resume, revoke, rotateCredential, suspend, tried } from '@/sites/site-acts';

export const Route = createFileRoute('/_frame/org/$org/sites/$site/settings')({
  component: Settings,
  staticData: { action: 'getSite' },
});

function Settings() {
  const { org, site: id } = Route.useParams();
  const { data: site } = useSuspenseQuery(siteQuery(id));
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} style={{ alignItems: 'start' }}>
      <Paper withBorder p="lg">
        <Title order={2} mb="sm">
          {t.settings.title}
        </Title>
        <Form key={site.siteId} org={org} site={site} />
      </Paper>
      <Acts org={org} site={site} />
    </SimpleGrid>
  );
}

const valuesOf = (site: SiteView) => ({
  name: site.name,
  description: site.description ?? '',
  labels: writeLabels(site.labels),
  groupIds: site.groupIds.map(String),
  profileId: site.profileId === null ? NONE : String(site.profileId),
});

const NONE = 'none';

function Form({ org, site }: { org: string; site: SiteView }) {
  const groups = useGroups(org);
  const profiles = useProfiles(org);
  const mayChange = useMay(org)('updateSite');
  const { labels: titles } = t.settings;
  const id = String(site.siteId);
  const known = <T,>(all: T[] | undefined, option: (one: T) => { value: string; label: string }, chosen: string[]) =>
    all?.map(option) ?? chosen.map((value) => ({ value, label: value }));
  return (
    <VersionedForm
      read={site}
      valuesOf={valuesOf}
      labels={titles}
      readOnly={!mayChange}
      readAgain={() => queryClient.fetchQuery({ ...siteQuery(id), staleTime: 0 })}
      save={async ({ labels, groupIds, profileId, ...changed }, header) => {
        await api.POST('/site/{siteId}', {
          params: { path: { siteId: id }, header },
          body: {
            ...changed,
            ...(labels ? { labels: labelsOf(labels) } : {}),
            ...(groupIds ? { groupIds: groupIds.map(Number) } : {}),
            ...(profileId ? { profileId: profileId === NONE ? null : Number(profileId) } : {}),
          },
        });
        toastDone(t.settings.saved(changed.name ?? site.name));
        await sitesChanged();
      }}
    >
      {(form) => (
        <>
          <TextInput label={titles.name} key={form.key('name')} {...form.getInputProps('name')} />
          <Textarea
            label={titles.description}
            autosize
            minRows={2}
            key={form.key('description')}
            {...form.getInputProps('description')}
          />
          <TagsInput
            label={titles.labels}
            description={t.settings.labelsHint}
            acceptValueOnBlur
            key={form.key('labels')}
            {...form.getInputProps('labels')}
          />
          <MultiSelect
            label={titles.groupIds}
            searchable
            data={known(
              groups,
              ({ groupId, name }) => ({ value: String(groupId), label: name }),
              site.groupIds.map(String),
            )}
            key={form.key('groupIds')}
            {...form.getInputProps('groupIds')}
          />
          <Select
            label={titles.profileId}
            searchable
            allowDeselect={false}
            data={[
              { value: NONE, label: t.settings.noProfile },
              ...known(
                profiles,
                ({ profileId, name }) => ({ value: String(profileId), label: name }),
                site.profileId === null ? [] : [String(site.profileId)],
              ),
            ]}
            key={form.key('profileId')}
            {...form.getInputProps('profileId')}
          />
        </>
      )}
    </VersionedForm>
  );
}

/** What can be undone comes first; the others ask for the name. */
function Acts({ org, site }: { org: string; site: SiteView }) {
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const { state, type } = site;
  const [mayUpdate, mayRevoke] = [may('updateSite'), may('revokeSite')];
  const hasDevice = type === 'newt';
  const { hints } = t.settings;
  const button = (label: string, onClick: () => void, isFinal = false) => (
    <Button variant="default" {...(isFinal ? { c: 'var(--mantine-color-error)' } : {})} onClick={onClick}>
      {label}
    </Button>
  );
  const rows: (false | [hint: string, button: ReactNode])[] = [
    mayUpdate && state === 'suspended' && [hints.resume, button(acts.one.resume, tried(resume, site))],
    mayUpdate &&
      ['online', 'offline', 'never_connected'].includes(state) && [
        hints.suspend,
        button(acts.one.suspend, tried(suspend, site)),
      ],
    mayUpdate && state === 'online' && [hints.restart, button(acts.one.restart, tried(restart, site))],
    mayUpdate &&
      hasDevice &&
      state !== 'revoked' && [hints.rotate, button(acts.one.rotate, tried(rotateCredential, site))],
    may('allowReclaim') &&
      site.hardwareId !== null && [hints.allowReclaim, button(acts.one.allowReclaim, tried(allowReclaim, site))],
    mayUpdate &&
      mayRevoke &&
      hasDevice && [
        hints.replace,
        <Button
          key="replace"
          variant="default"
          renderRoot={(props) => (
            <Link to="/org/$org/sites/$site/replace" params={{ org, site: String(site.siteId) }} {...props} />
          )}
        >
          {acts.one.replace}
        </Button>,
      ],
    mayRevoke && state !== 'revoked' && [hints.revoke, button(acts.one.revoke, () => revoke(site), true)],
    may('deleteSite') &&
      state !== 'suspended' && [
        hints.delete,
        button(acts.one.delete, () => remove(site, () => navigate({ to: '/org/$org/sites', params: { org } })), true),
      ],
  ];
  const offered = rows.filter((row) => row !== false);
  if (offered.length === 0) return null;
  return (
    <Card withBorder p="lg">
      <Title order={2} mb="sm">
        {t.settings.acts}
      </Title>
      <Stack gap="md">
        {offered.map(([hint, action]) => (
          <Group key={hint} justify="space-between" gap="8px var(--mantine-spacing-md)">
            <Text size="sm" style={{ flex: '1 1 220px' }}>
              {hint}
            </Text>
            {action}
          </Group>
        ))}
      </Stack>
    </Card>
  );
}
