import { Badge, Button, Group, Paper, SimpleGrid, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/configuration';
import { BundleBadge } from '@/configuration/parts';
import { type SecretDetails, secretQuery } from '@/configuration/queries';
import { deleteSecret, destroyVersion, Restriction, rotateSecret } from '@/configuration/secret-forms';
import { Failure } from '@/kit/failure';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { RowTable } from '@/kit/row-table';
import { Time } from '@/kit/time';
import { toastProblem } from '@/kit/toasts';
import { useMay } from '@/session/session';

/** A secret: which version, who still runs with the one before, and who names it. Never its value. */
export const Route = createFileRoute('/_frame/org/$org/configuration/secrets/$name')({
  component: SecretPage,
  staticData: { action: 'listSecrets' },
});

const texts = t.secrets;
const ROLLOUT_MS = 3_000;
const sites = (count: number): string => texts.sites(count, formatNumber(count));

function sentenceOf({ version, usedBySites, outstanding }: SecretDetails): string {
  if (usedBySites === 0 && outstanding.total === 0) return texts.sentence.unused(version);
  if (outstanding.total === 0) return texts.sentence.settled(version, sites(usedBySites));
  return texts.sentence.draining(version, formatNumber(outstanding.total), sites(usedBySites));
}

function SecretPage() {
  const { org, name } = Route.useParams();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const { data, error, refetch } = useQuery({
    ...secretQuery(org, name),
    // Until its rollout has ended: nothing else tells.
    refetchInterval: ({ state: { data: now } }) => (now && now.settledVersion < now.version ? ROLLOUT_MS : false),
  });
  if (error && !data) return <Failure error={error} retry={refetch} />;
  const mayRotate = may('updateSecret');
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/configuration/secrets" params={{ org }}>
            {texts.back}
          </PageLink>
        }
        title={name}
        description={data && sentenceOf(data)}
        actions={
          data && (
            <>
              {mayRotate && <Button onClick={() => rotateSecret(data)}>{texts.rotate}</Button>}
              {may('deleteSecret') && (
                <Button
                  variant="default"
                  c="var(--mantine-color-error)"
                  onClick={() =>
                    void deleteSecret(data, mayRotate, () =>
                      navigate({ to: '/org/$org/configuration/secrets', params: { org } }),
                    ).catch(toastProblem)
                  }
                >
                  {texts.delete}
                </Button>
              )}
            </>
          )
        }
      />
      {data ? (
        <Stack gap="lg">
          <Outstanding secret={data} />
          <Versions secret={data} />
          <SimpleGrid cols={{ base: 1, md: 2 }} style={{ alignItems: 'start' }}>
            <Profiles secret={data} />
            {mayRotate && (
              <Paper withBorder p="lg">
                <Restriction key={JSON.stringify(data.profileIds)} secret={data} />
              </Paper>
            )}
          </SimpleGrid>
        </Stack>
      ) : (
        <Skeleton h={320} />
      )}
    </>
  );
}

/** The drain: which sites did not say yet that they run with the current version. */
function Outstanding({ secret: { orgId, usedBySites, outstanding } }: { secret: SecretDetails }) {
  if (outstanding.total === 0) return usedBySites > 0 ? <Text size="sm">{texts.drained}</Text> : null;
  const { outstandingColumns: columns } = texts;
  return (
    <section>
      <Title order={2} mb="sm">
        {texts.outstanding}: {formatNumber(outstanding.total)}
      </Title>
      <RowTable
        label={texts.outstanding}
        rows={outstanding.sites}
        rowId={({ siteId }) => siteId}
        columns={[
          {
            title: columns.site,
            render: ({ siteId, name }) => (
              <PageLink to="/org/$org/sites/$site" params={{ org: orgId, site: String(siteId) }}>
                {name}
              </PageLink>
            ),
          },
          { title: columns.state, render: ({ state }) => state && <BundleBadge state={state} /> },
          { title: columns.applied, render: ({ appliedVersion }) => appliedVersion, isNumber: true },
          { title: columns.offered, render: ({ offeredVersion }) => offeredVersion, isNumber: true },
        ]}
      />
      {outstanding.total > outstanding.sites.length && (
        <Text size="sm" c="dimmed" mt={4}>
          {texts.andMore(formatNumber(outstanding.total - outstanding.sites.length))}
        </Text>
      )}
    </section>
  );
}

function Versions({ secret }: { secret: SecretDetails }) {
  const mayDestroy = useMay(secret.orgId)('deleteSecret');
  const { versionColumns: columns } = texts;
  return (
    <section>
      <Title order={2} mb="sm">
        {texts.versions}
      </Title>
      <RowTable
        label={texts.versions}
        rows={secret.versions}
        rowId={({ version }) => version}
        columns={[
          { title: columns.version, render: ({ version }) => version, isNumber: true },
          {
            title: columns.state,
            render: ({ current, destroyedAt }) => (
              <Badge variant="default" tt="none" fw={500}>
                {destroyedAt ? texts.destroyed : current ? texts.current : texts.previous}
              </Badge>
            ),
          },
          { title: columns.sites, render: ({ usedBySites }) => sites(usedBySites) },
          { title: columns.createdBy, render: ({ createdBy }) => createdBy },
          { title: columns.createdAt, render: ({ createdAt }) => <Time at={createdAt} /> },
          ...(mayDestroy
            ? [
                {
                  title: ' ',
                  render: ({ version, current, destroyedAt, usedBySites }: SecretDetails['versions'][number]) =>
                    !current &&
                    !destroyedAt &&
                    // Unused by now, and what new sites get until the rollout has ended.
                    (usedBySites > 0 || version !== secret.settledVersion) && (
                      <Group justify="flex-end">
                        <Button
                          size="compact-sm"
                          variant="default"
                          aria-label={texts.destroyOne(version)}
                          onClick={() => void destroyVersion(secret, version).catch(toastProblem)}
                        >
                          {texts.destroy}
                        </Button>
                      </Group>
                    ),
                },
              ]
            : []),
        ]}
      />
    </section>
  );
}

function Profiles({ secret: { orgId, profiles } }: { secret: SecretDetails }) {
  return (
    <Paper withBorder p="lg">
      <Title order={2} mb="sm">
        {texts.profiles}
      </Title>
      <Stack gap={6}>
        {profiles.total === 0 && <Text size="sm">{texts.noProfiles}</Text>}
        {profiles.profiles.map(({ profileId, name, revision, current }) => (
          <Group key={`${profileId} ${revision}`} gap="xs">
            <PageLink
              to="/org/$org/configuration/start-up/$profile"
              params={{ org: orgId, profile: String(profileId) }}
            >
              {name}
            </PageLink>
            <Text size="sm" c="dimmed">
              {texts.revision(revision)}
              {!current && `, ${texts.earlier}`}
            </Text>
          </Group>
        ))}
        {profiles.total > profiles.profiles.length && (
          <Text size="sm" c="dimmed">
            {texts.andMore(formatNumber(profiles.total - profiles.profiles.length))}
          </Text>
        )}
      </Stack>
    </Paper>
  );
}
