import {
  Anchor,
  Button,
  Card,
  Group,
  Pagination,
  Select,
  SimpleGrid,
  Skeleton,
  Stack,
  Text,
  Title,
} from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/rollout';
import { type ReactNode, useState } from 'react';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { BarChart } from '@/charts/charts';
import { formatAbsolute, formatNumber } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { RowTable } from '@/kit/row-table';
import { Time, useZone } from '@/kit/time';
import { toastProblem } from '@/kit/toasts';
import { ExportMenu } from '@/list/export-menu';
import { useMay } from '@/session/session';
import { exportExpected, openExpectedList } from './expected-list';
import { type Key, ROLLOUT } from './queries';
import { NextStep, reasonOf } from './refusal';
import { DeviceTable } from './standings';

type Rollout = components['schemas']['KeyRolloutView'];

const STAGES = ['claimed', 'connected', 'approved', 'configured'] as const;
const SHOWN = 25;

/** A number that says how far something is, and where to see it. */
export function Tile({ label, children, beneath }: { label: ReactNode; children: ReactNode; beneath?: ReactNode }) {
  return (
    <Card withBorder p="md" h="100%">
      <Text size="sm" c="dimmed" component="div">
        {label}
      </Text>
      <Text fz={20} fw={600} component="div" style={{ fontVariantNumeric: 'tabular-nums' }}>
        {children}
      </Text>
      {beneath && (
        <Text size="sm" c="dimmed">
          {beneath}
        </Text>
      )}
    </Card>
  );
}

/** Expected, claimed, connected, approved, configured: each with how many it lacks. */
export function Stages({ org, keyId }: { org: string; keyId: string }) {
  const may = useMay(org);
  const { data: rollout } = useQuery(rolloutQuery(org, keyId, 1, 24));
  if (!rollout) return <Skeleton h={90} />;
  const { expected } = rollout;
  const lacks = (value: number) =>
    expected !== null && value < expected ? t.short(formatNumber(expected - value)) : undefined;
  return (
    <SimpleGrid cols={{ base: 2, sm: 5 }}>
      <Tile label={t.stages.expected}>{expected === null ? t.any : formatNumber(expected)}</Tile>
      {STAGES.map((stage) => (
        <Tile
          key={stage}
          beneath={lacks(rollout[stage])}
          label={
            stage === 'claimed' && may('listSites') ? (
              <PageLink to="/org/$org/sites" params={{ org }} search={{ key: keyId }}>
                {t.stages.claimed}
              </PageLink>
            ) : (
              t.stages[stage]
            )
          }
        >
          {formatNumber(rollout[stage])}
        </Tile>
      ))}
    </SimpleGrid>
  );
}

const rolloutQuery = (orgId: string, siteProvisioningKeyId: string, page: number, hours: number) =>
  $api.queryOptions('get', ROLLOUT, {
    params: { path: { orgId, siteProvisioningKeyId }, query: { page, pageSize: SHOWN, hours } },
  });

/** Which of the expected machines are missing, what was refused, and when they came. */
export function KeyRollout({ org, keyView: key }: { org: string; keyView: Key }) {
  const keyId = key.siteProvisioningKeyId;
  const may = useMay(org);
  const [page, setPage] = useState(1);
  const [hours, setHours] = useState<keyof typeof t.arrivalsOf>('24');
  const { data: rollout } = useQuery({
    ...rolloutQuery(org, keyId, page, Number(hours)),
    placeholderData: keepPreviousData,
  });
  if (!rollout) return <Skeleton h={200} />;
  const hasList = rollout.expectedBy === 'list';
  return (
    <Stack gap="lg">
      <Card withBorder p="lg">
        <Group justify="space-between" mb={hasList ? 'sm' : 0}>
          <Title order={2}>
            {rollout.missing ? t.missing(formatNumber(rollout.missing.pagination.total)) : t.list.title}
          </Title>
          <Group gap="sm">
            {!!rollout.missing?.pagination.total && (
              <ExportMenu path={`/org/${org}/site-provisioning-key/${keyId}/rollout`} />
            )}
            {hasList && may('listClaims') && (
              <Button
                variant="default"
                size="compact-sm"
                onClick={() => void exportExpected(org, keyId).catch(toastProblem)}
              >
                {t.list.exportKept}
              </Button>
            )}
            {may('updateSiteProvisioningKey') && (
              <Button
                variant="default"
                size="compact-sm"
                onClick={() => void openExpectedList(org, keyId, hasList).catch(toastProblem)}
              >
                {t.expect}
              </Button>
            )}
          </Group>
        </Group>
        {!hasList && <Text size="sm">{t.noList}</Text>}
        {!!rollout.unexpected && <Unexpected org={org} count={rollout.unexpected} sites={rollout.unexpectedSites} />}
        {rollout.missing && <Missing org={org} missing={rollout.missing} page={page} onPage={setPage} />}
      </Card>
      {rollout.refusals.length > 0 && <Refusals org={org} keyView={key} refusals={rollout.refusals} />}
      <Arrivals arrivals={rollout.arrivals} hours={hours} onHours={setHours} />
    </Stack>
  );
}

/** A machine that came under another id is often one of those that are missing. */
function Unexpected({ org, count, sites }: { org: string; count: number; sites: Rollout['unexpectedSites'] }) {
  return (
    <Group gap="xs" mb="sm">
      <Text size="sm">{t.unexpected(count, formatNumber(count))}</Text>
      {sites.map(({ siteId, name, hardwareId }) => (
        <PageLink key={siteId} to="/org/$org/sites/$site" params={{ org, site: String(siteId) }}>
          {hardwareId ?? name}
        </PageLink>
      ))}
      {count > sites.length && <Text size="sm">{t.more(formatNumber(count - sites.length))}</Text>}
    </Group>
  );
}

function Missing({
  org,
  missing: { devices, pagination },
  page,
  onPage,
}: {
  org: string;
  missing: NonNullable<Rollout['missing']>;
  page: number;
  onPage: (page: number) => void;
}) {
  if (pagination.total === 0) return <Text size="sm">{t.complete}</Text>;
  const pages = Math.ceil(pagination.total / SHOWN);
  return (
    <Stack gap="sm">
      <DeviceTable org={org} label={t.missing(formatNumber(pagination.total))} devices={devices} />
      {pages > 1 && (
        <Pagination
          size="sm"
          aria-label={t.pages}
          total={pages}
          value={page}
          onChange={onPage}
          getItemProps={(item) => ({ 'aria-label': common.page(item) })}
          getControlProps={(control) => ({
            'aria-label': common.pageControl[control as keyof typeof common.pageControl],
          })}
        />
      )}
    </Stack>
  );
}

function Refusals({
  org,
  keyView: { siteProvisioningKeyId, templateId },
  refusals,
}: {
  org: string;
  keyView: Key;
  refusals: Rollout['refusals'];
}) {
  const mayRead = useMay(org)('listClaims');
  return (
    <Card withBorder p="lg">
      <Group justify="space-between" mb="sm">
        <Title order={2}>{t.refusals}</Title>
        {mayRead && (
          <Anchor
            size="sm"
            renderRoot={(props) => (
              <Link
                to="/org/$org/provisioning/claims"
                params={{ org }}
                search={{ key: siteProvisioningKeyId, outcome: 'refused' }}
                {...props}
              />
            )}
          >
            {t.toClaims}
          </Anchor>
        )}
      </Group>
      <RowTable
        label={t.refusals}
        rows={refusals}
        rowId={({ reason }) => reason}
        columns={[
          { title: t.refusalColumns.reason, render: ({ reason }) => reasonOf(reason) },
          {
            title: t.refusalColumns.nextStep,
            render: ({ reason }) => <NextStep org={org} reason={reason} templateId={templateId} />,
          },
          { title: t.refusalColumns.count, render: ({ count }) => formatNumber(count), isNumber: true },
          { title: t.refusalColumns.last, render: ({ lastAt }) => <Time at={lastAt} /> },
        ]}
      />
    </Card>
  );
}

/** Sites that it made, hour by hour. */
function Arrivals({
  arrivals,
  hours,
  onHours,
}: {
  arrivals: Rollout['arrivals'];
  hours: keyof typeof t.arrivalsOf;
  onHours: (hours: keyof typeof t.arrivalsOf) => void;
}) {
  const [zone] = useZone();
  const total = arrivals.reduce((sum, { count }) => sum + count, 0);
  return (
    <Card withBorder p="lg">
      <Group justify="space-between" mb="sm">
        <Title order={2}>{t.arrivals}</Title>
        <Select
          size="xs"
          w={150}
          aria-label={t.arrivals}
          allowDeselect={false}
          data={Object.entries(t.arrivalsOf).map(([value, label]) => ({ value, label }))}
          value={hours}
          onChange={(value) => onHours(value as keyof typeof t.arrivalsOf)}
        />
      </Group>
      {total === 0 ? (
        <Text size="sm">{t.noArrivals}</Text>
      ) : (
        <BarChart
          h={160}
          dataKey="at"
          data={arrivals.map(({ hour, count }) => ({
            at: formatAbsolute(new Date(hour), zone).slice(5, 16),
            count,
          }))}
          series={[{ name: 'count', label: t.sites, color: 'gate.6' }]}
          yAxisProps={{ allowDecimals: false, width: 40 }}
        />
      )}
    </Card>
  );
}
