import { Alert, Button, Group, Stack, Text, Title } from '@mantine/core';
import { useQuery, useSuspenseQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/site';
import { t as acts } from '@texts/site-acts';
import { $api, api } from '@/api/client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { BundleBadge } from '@/configuration/parts';
import { useProfiles } from '@/configuration/queries';
import { CopyId } from '@/kit/copy';
import { Facts } from '@/kit/facts';
import { PageLink } from '@/kit/page-link';
import { RowTable } from '@/kit/row-table';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { useMay } from '@/session/session';
import { type SiteView, siteQuery, sitesChanged } from '@/sites/queries';
import { rotateCredential, tried } from '@/sites/site-acts';
import { bundleVersionText } from '../../../../../../../../contracts/index.js';

/** With what a site is started, and with what it proves who it is. */
export const Route = createFileRoute('/_frame/org/$org/sites/$site/configuration')({
  component: Configuration,
  staticData: { action: 'getSite' },
});

const texts = t.configuration;
type Bundle = components['schemas']['BundleView'];
type Credentials = components['schemas']['CredentialList'];

function Configuration() {
  const { org, site: id } = Route.useParams();
  const { data: site } = useSuspenseQuery(siteQuery(id));
  const path = { params: { path: { siteId: id } } };
  const { data: bundle } = useQuery($api.queryOptions('get', '/site/{siteId}/bundle', path));
  const { data: credentials } = useQuery($api.queryOptions('get', '/site/{siteId}/credentials', path));
  return (
    <Stack gap="xl">
      {bundle && <BundleOf org={org} site={site} bundle={bundle} />}
      {credentials && <CredentialsOf org={org} site={site} list={credentials} />}
    </Stack>
  );
}

function BundleOf({ org, site, bundle }: { org: string; site: SiteView; bundle: Bundle }) {
  const may = useMay(org);
  const profiles = useProfiles(org);
  const { profileId, version, state, lease, appliedVersion, rolloutId, revision } = bundle;
  const profile = profiles?.find((one) => one.profileId === profileId)?.name ?? profileId;
  const resend = async () => {
    await api.POST('/site/{siteId}/bundle/resend', {
      params: { path: { siteId: String(site.siteId) }, header: { 'Idempotency-Key': newIdempotencyKey() } },
    });
    await sitesChanged();
    toastDone(texts.resent(site.name));
  };
  const startUp =
    profileId === null ? null : (
      <PageLink to="/org/$org/configuration/start-up/$profile" params={{ org, profile: String(profileId) }}>
        {[profile, revision === null ? undefined : texts.revision(revision)].filter(Boolean).join(', ')}
      </PageLink>
    );
  if (version === null)
    return (
      <section>
        <Title order={2} mb="sm">
          {texts.bundle}
        </Title>
        <Text size="sm" c="dimmed">
          {texts.noBundle}
        </Text>
        {startUp}
      </section>
    );
  const names = [...new Set([...bundle.secrets, ...bundle.appliedSecrets].map(({ name }) => name))].sort();
  const versionOf = (secrets: Bundle['secrets'], name: string) => secrets.find((one) => one.name === name)?.version;
  return (
    <section>
      <Stack gap="sm">
        <Facts
          title={texts.bundle}
          facts={[
            [texts.state, state && <BundleBadge key="state" state={state} />],
            [texts.reason, bundle.reason],
            [texts.version, bundleVersionText(version)],
            [texts.applied, appliedVersion === null ? t.facts.nothingApplied : bundleVersionText(appliedVersion)],
            [texts.returned, bundle.returned ? bundleVersionText(version) : null],
            [texts.startUp, startUp],
            [texts.changedAt, bundle.changedAt && <Time key="changed" at={bundle.changedAt} absolute />],
            [
              texts.rollout,
              rolloutId && (
                <PageLink to="/org/$org/jobs/$job" params={{ org, job: String(rolloutId) }}>
                  {rolloutId}
                </PageLink>
              ),
            ],
            [texts.lease, lease && (lease.held ? texts.held : <Time key="lease" at={lease.expiresAt} absolute />)],
            [texts.clonedAt, lease?.clonedAt && <Time key="clone" at={lease.clonedAt} absolute />],
          ]}
        />
        {names.length > 0 && (
          <RowTable
            label={texts.secrets}
            rows={names}
            rowId={(name) => name}
            columns={[
              {
                title: texts.secretColumns.name,
                render: (name) =>
                  may('listSecrets') ? (
                    <PageLink to="/org/$org/configuration/secrets/$name" params={{ org, name }}>
                      {name}
                    </PageLink>
                  ) : (
                    name
                  ),
              },
              { title: texts.secretColumns.version, render: (name) => versionOf(bundle.secrets, name) },
              { title: texts.secretColumns.applied, render: (name) => versionOf(bundle.appliedSecrets, name) },
            ]}
          />
        )}
        {may('updateSite') && (
          <Group>
            <Button variant="default" onClick={() => void resend().catch(toastProblem)}>
              {texts.resend}
            </Button>
          </Group>
        )}
      </Stack>
    </section>
  );
}

function CredentialsOf({ org, site, list }: { org: string; site: SiteView; list: Credentials }) {
  const may = useMay(org);
  const columns = texts.credentialColumns;
  return (
    <section>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{texts.credentials}</Title>
        {may('updateSite') && list.credentials.length > 0 && (
          <Button variant="default" size="sm" onClick={tried(rotateCredential, site)}>
            {acts.one.rotate}
          </Button>
        )}
      </Group>
      {list.rotation && (
        <Alert variant="outline" mb="sm">
          {texts.rotation[list.rotation.delivery]}
        </Alert>
      )}
      {list.credentials.length === 0 ? (
        <Text size="sm" c="dimmed">
          {texts.noCredentials}
        </Text>
      ) : (
        <RowTable
          label={texts.credentials}
          rows={list.credentials}
          rowId={({ credentialId }) => credentialId}
          columns={[
            { title: columns.kind, render: ({ kind }) => texts.kinds[kind] },
            { title: columns.stage, render: ({ stage }) => texts.stages[stage] },
            { title: columns.status, render: ({ status }) => texts.statuses[status] },
            {
              title: columns.publicId,
              render: ({ publicId }) => publicId && <CopyId id={publicId} what={columns.publicId} />,
            },
            { title: columns.createdAt, render: ({ createdAt }) => <Time at={createdAt} /> },
            {
              title: columns.expiresAt,
              render: ({ expiresAt, endsAt }) => <Time at={endsAt ?? expiresAt} otherwise={texts.noEnd} />,
            },
            {
              title: columns.lastUsedAt,
              render: ({ lastUsedAt, lastUsedAddress }) => (
                <Group gap={6}>
                  <Time at={lastUsedAt} />
                  {lastUsedAddress}
                </Group>
              ),
            },
          ]}
        />
      )}
    </section>
  );
}
