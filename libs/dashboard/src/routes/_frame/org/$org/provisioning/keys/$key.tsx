import { Badge, Card, Group, SimpleGrid, Skeleton, Stack, Table, Text, Title } from '@mantine/core';
import { IconClipboardList } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/provisioning';
import { t as rollout } from '@texts/rollout';
import { useState } from 'react';
import { $api } from '@/api/client';
import { JobCard } from '@/jobs/job-card';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { Facts } from '@/kit/facts';
import { Failure } from '@/kit/failure';
import { formatDuration, formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { Time, useMinute } from '@/kit/time';
import { listSearch } from '@/list/search';
import { ClaimsTable } from '@/provisioning/claims-table';
import { KeyActions } from '@/provisioning/key-actions';
import { KeyState, KeyUses } from '@/provisioning/key-parts';
import { type Key, keyQuery, useTemplates } from '@/provisioning/queries';
import { KeyRollout, Stages, Tile } from '@/provisioning/rollout';
import { useMay } from '@/session/session';

/** A key is its rollout: what has come of it, what is left of it, and what was refused. */
export const Route = createFileRoute('/_frame/org/$org/provisioning/keys/$key')({
  validateSearch: listSearch,
  component: KeyPage,
  staticData: { action: 'listSiteProvisioningKeys' },
});

function KeyPage() {
  const { org, key: keyId } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const [jobId, setJobId] = useState<number>();
  const { data: key, error, refetch } = useQuery(keyQuery(org, keyId));
  if (error && !key) return <Failure error={error} retry={refetch} />;
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/provisioning/keys" params={{ org }}>
            {t.key.back}
          </PageLink>
        }
        title={key?.name ?? ' '}
        state={key && <KeyState state={key.state} />}
        actions={key && <KeyActions keyView={key} onStopped={setJobId} />}
      />
      <Stack gap="xl">
        {jobId !== undefined && (
          <JobCard key={jobId} org={org} jobId={jobId} {...rollout.leaked.job} onClose={() => setJobId(undefined)} />
        )}
        {key ? (
          <>
            <Stack>
              <Stages org={org} keyId={keyId} />
              <Left org={org} keyView={key} />
            </Stack>
            <KeyRollout org={org} keyView={key} />
            <About org={org} keyView={key} />
          </>
        ) : (
          <Skeleton h={200} />
        )}
        {may('listClaims') && (
          <section>
            <Title order={2} mb="sm">
              {t.onKey.claims}
            </Title>
            <ClaimsTable
              org={org}
              filter={{ keyId }}
              search={search}
              onSearch={(next) => void navigate({ search: next })}
              empty={<EmptyState icon={<IconClipboardList />} title={t.onKey.noClaims} />}
            />
          </section>
        )}
      </Stack>
    </>
  );
}

/** What is left of it. */
function Left({ org, keyView: key }: { org: string; keyView: Key }) {
  const now = useMinute();
  const left = key.validUntil === null ? undefined : (Date.parse(key.validUntil) - now) / 1000;
  return (
    <SimpleGrid cols={{ base: 2, sm: 3 }}>
      <Tile label={t.onKey.uses}>
        <KeyUses {...key} />
      </Tile>
      <Tile label={t.onKey.timeLeft}>
        {left === undefined ? t.key.noEnd : left <= 0 ? t.onKey.over : formatDuration(left)}
      </Tile>
      <Waiting org={org} keyId={key.siteProvisioningKeyId} />
    </SimpleGrid>
  );
}

function About({ org, keyView: key }: { org: string; keyView: Key }) {
  const template = useTemplates(org)?.find(({ templateId }) => templateId === key.templateId);
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <Facts
        title={t.onKey.facts}
        facts={[
          [t.key.columns.id, <CopyId key="id" id={key.siteProvisioningKeyId} what={t.key.columns.id} />],
          [
            t.key.columns.template,
            template ? (
              <PageLink
                key="template"
                to="/org/$org/provisioning/templates/$template"
                params={{ org, template: String(key.templateId) }}
              >
                {template.name}
              </PageLink>
            ) : (
              key.templateId
            ),
          ],
          [
            t.onKey.approval,
            `${key.approveNewSites ? t.key.atOnce : t.key.byHand}, ${t.onKey.approvalBy[key.approveNewSitesSource]}${
              key.approvalLimit ? `. ${key.approvalLimit}` : ''
            }`,
          ],
          [t.key.columns.validUntil, <Time key="until" at={key.validUntil} absolute otherwise={t.key.noEnd} />],
          [
            t.key.columns.createdAt,
            <Group key="created" gap={6}>
              <Time at={key.createdAt} absolute />
              {key.createdBy && t.key.by(key.createdBy.name)}
            </Group>,
          ],
          [
            t.key.columns.lastUsed,
            <Group key="used" gap={6}>
              <Time at={key.lastUsed} absolute />
              {key.lastUsedIp && t.key.from(key.lastUsedIp)}
            </Group>,
          ],
        ]}
      />
      <Generations generations={key.generations} />
    </SimpleGrid>
  );
}

function Generations({ generations }: { generations: Key['generations'] }) {
  const columns = t.onKey.generationColumns;
  return (
    <Card withBorder>
      <Title order={2} mb="sm">
        {t.onKey.generations}
      </Title>
      <Table withRowBorders={false} verticalSpacing={4}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th pl={0}>{columns.secret}</Table.Th>
            <Table.Th>{columns.state}</Table.Th>
            <Table.Th ta="right">{columns.uses}</Table.Th>
            <Table.Th>{columns.lastUsed}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {generations.map(({ generation, lastChars, state, retiresAt, uses, lastUsed }) => (
            <Table.Tr key={generation}>
              <Table.Td ff="monospace" pl={0}>
                …{lastChars}
              </Table.Td>
              <Table.Td>
                <Badge variant="default" tt="none" fw={400}>
                  {t.onKey.generation[state]}
                </Badge>
                {state === 'overlapping' && (
                  <Text size="sm" c="dimmed" component="div">
                    {t.onKey.retires} <Time at={retiresAt} absolute />
                  </Text>
                )}
              </Table.Td>
              <Table.Td ta="right">{formatNumber(uses)}</Table.Td>
              <Table.Td>
                <Time at={lastUsed} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}

/** How many of its sites wait for approval, as a link to them. */
function Waiting({ org, keyId }: { org: string; keyId: string }) {
  const may = useMay(org);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/sites', {
      params: { path: { orgId: org }, query: { keyId, state: 'pending', pageSize: 1 } },
    }),
    enabled: may('listSites'),
  });
  if (!may('listSites')) return null;
  return (
    <Tile
      label={
        <PageLink to="/org/$org/provisioning/pending" params={{ org }} search={{ key: keyId }}>
          {t.onKey.waiting}
        </PageLink>
      }
    >
      {data ? formatNumber(data.pagination.total) : <Skeleton h={24} w={50} />}
    </Tile>
  );
}
