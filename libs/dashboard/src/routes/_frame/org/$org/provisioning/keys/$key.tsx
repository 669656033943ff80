import { Anchor, Badge, Card, Group, SimpleGrid, Skeleton, Stack, Table, Text, Title } from '@mantine/core';
import { IconClipboardList } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/provisioning';
import type { ReactNode } from 'react';
import { $api } from '@/api/client';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { Failure } from '@/kit/failure';
import { formatDuration, formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { Time, useMinute } from '@/kit/time';
import { listSearch } from '@/list/search';
import { ClaimsTable } from '@/provisioning/claims-table';
import { KeyActions } from '@/provisioning/key-actions';
import { KeyState, KeyUses } from '@/provisioning/key-parts';
import { type Key, keyQuery, useTemplates } from '@/provisioning/queries';
import { KeyRollout } from '@/provisioning/rollout';
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
  const { data: key, error, refetch } = useQuery(keyQuery(org, keyId));
  if (error && !key) return <Failure error={error} retry={refetch} />;
  return (
    <>
      <PageHeader
        above={
          <Anchor
            size="sm"
            c="dimmed"
            renderRoot={(props) => <Link to="/org/$org/provisioning/keys" params={{ org }} {...props} />}
          >
            {t.key.back}
          </Anchor>
        }
        title={key?.name ?? ' '}
        icon={key && <KeyState state={key.state} />}
        actions={key && <KeyActions keyView={key} />}
      />
      <Stack gap="xl">
        {key ? <Above org={org} keyView={key} /> : <Skeleton h={110} />}
        <KeyRollout org={org} keyId={keyId} />
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

function Above({ org, keyView: key }: { org: string; keyView: Key }) {
  const now = useMinute();
  const template = useTemplates(org)?.find(({ templateId }) => templateId === key.templateId);
  const left = key.validUntil === null ? undefined : (Date.parse(key.validUntil) - now) / 1000;
  return (
    <Stack>
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Tile label={t.onKey.uses}>
          <KeyUses {...key} />
        </Tile>
        <Tile label={t.onKey.timeLeft}>
          {left === undefined ? t.key.noEnd : left <= 0 ? t.onKey.over : formatDuration(left)}
        </Tile>
        <SitesOfKey org={org} keyId={key.siteProvisioningKeyId} state={undefined} />
        <SitesOfKey org={org} keyId={key.siteProvisioningKeyId} state="pending" />
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Card withBorder>
          <Title order={2} mb="sm">
            {t.onKey.facts}
          </Title>
          <Table withRowBorders={false} verticalSpacing={4} layout="fixed">
            <Table.Tbody>
              <Fact name={t.key.columns.id}>
                <CopyId id={key.siteProvisioningKeyId} what={t.key.columns.id} />
              </Fact>
              <Fact name={t.key.columns.template}>
                {template ? (
                  <Anchor
                    size="sm"
                    renderRoot={(props) => (
                      <Link
                        to="/org/$org/provisioning/templates/$template"
                        params={{ org, template: String(key.templateId) }}
                        {...props}
                      />
                    )}
                  >
                    {template.name}
                  </Anchor>
                ) : (
                  key.templateId
                )}
              </Fact>
              <Fact name={t.onKey.approval}>
                {key.approveNewSites ? t.key.atOnce : t.key.byHand}, {t.onKey.approvalBy[key.approveNewSitesSource]}
                {key.approvalLimit && `. ${key.approvalLimit}`}
              </Fact>
              <Fact name={t.key.columns.validUntil}>
                <Time at={key.validUntil} absolute otherwise={t.key.noEnd} />
              </Fact>
              <Fact name={t.key.columns.createdAt}>
                <Time at={key.createdAt} absolute />
              </Fact>
              <Fact name={t.key.columns.lastUsed}>
                <Group gap={6}>
                  <Time at={key.lastUsed} absolute />
                  {key.lastUsedIp}
                </Group>
              </Fact>
            </Table.Tbody>
          </Table>
        </Card>
        <Generations generations={key.generations} />
      </SimpleGrid>
    </Stack>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <Table.Tr>
      <Table.Th fw={400} c="dimmed" w={120} pl={0}>
        {name}
      </Table.Th>
      <Table.Td style={{ overflowWrap: 'anywhere' }}>{children}</Table.Td>
    </Table.Tr>
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

/** How many of its sites there are, as a link to them. */
function SitesOfKey({ org, keyId, state }: { org: string; keyId: string; state: 'pending' | undefined }) {
  const may = useMay(org);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/sites', {
      params: { path: { orgId: org }, query: { keyId, state, pageSize: 1 } },
    }),
    enabled: may('listSites'),
  });
  if (!may('listSites')) return null;
  const count = data ? formatNumber(data.pagination.total) : <Skeleton h={24} w={50} />;
  return state === 'pending' ? (
    <Anchor
      c="inherit"
      underline="never"
      renderRoot={(props) => (
        <Link to="/org/$org/provisioning/pending" params={{ org }} search={{ key: keyId }} {...props} />
      )}
    >
      <Tile label={t.onKey.waiting}>{count}</Tile>
    </Anchor>
  ) : (
    <Anchor
      c="inherit"
      underline="never"
      renderRoot={(props) => <Link to="/org/$org/sites" params={{ org }} search={{ keyId }} {...props} />}
    >
      <Tile label={t.onKey.sitesMade}>{count}</Tile>
    </Anchor>
  );
}

function Tile({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Card withBorder p="md" h="100%">
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text fz={20} fw={600} component="div" style={{ fontVariantNumeric: 'tabular-nums' }}>
        {children}
      </Text>
    </Card>
  );
}
