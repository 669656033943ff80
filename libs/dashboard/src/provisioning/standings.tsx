import { Badge, Text } from '@mantine/core';
import { t as blocked } from '@texts/blocked';
import { t as claims } from '@texts/claims';
import { t } from '@texts/rollout';
import { t as states } from '@texts/states';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { csvOf, saveCsv } from '@/kit/csv';
import { PageLink } from '@/kit/page-link';
import { RowTable } from '@/kit/row-table';
import { StateBadge } from '@/kit/state-badge';
import { Time } from '@/kit/time';
import { NextStep, reasonOf } from './refusal';

export type Device = components['schemas']['DeviceView'];
export type Standing = Device['standing'];

const COLORS: Record<Standing, string> = {
  enrolled: 'teal',
  other_key: 'orange.6',
  blocked: 'red',
  refused: 'red',
  seen_before: 'orange.6',
  never_seen: 'gray',
};

/** Machines of a list by their hardware ids: what is known of each, and the next step where one was refused. */
export function DeviceTable({ org, label, devices }: { org: string; label: string; devices: readonly Device[] }) {
  return (
    <RowTable
      label={label}
      rows={devices}
      rowId={({ hardwareId }) => hardwareId}
      columns={[
        {
          title: t.columns.hardwareId,
          render: ({ hardwareId }) => <CopyId id={hardwareId} what={t.columns.hardwareId} />,
        },
        {
          title: t.columns.standing,
          render: ({ standing, blocked: by }) => (
            <>
              <Badge variant="dot" color={COLORS[standing]} tt="none" fw={500} miw="max-content">
                {t.standings[standing]}
              </Badge>
              {by && (
                <Text size="sm" c="dimmed" component="div">
                  {blocked.reasons[by.reason] ?? by.reason} <Time at={by.createdAt} /> {by.note}
                </Text>
              )}
            </>
          ),
        },
        {
          title: t.columns.site,
          render: ({ site, state }) =>
            site && (
              <>
                <PageLink to="/org/$org/sites/$site" params={{ org, site: String(site.siteId) }}>
                  {site.name}
                </PageLink>
                {state && <StateBadge state={state} />}
              </>
            ),
        },
        {
          title: t.columns.lastRefusal,
          render: ({ lastRefusal, site }) =>
            lastRefusal && (
              <>
                <Text size="sm" component="div">
                  <b>{reasonOf(lastRefusal.reason)}</b> <Time at={lastRefusal.at} /> {lastRefusal.address}
                </Text>
                {site ? (
                  <PageLink to="/org/$org/sites/$site/diagnosis" params={{ org, site: String(site.siteId) }}>
                    {claims.places.diagnosis}
                  </PageLink>
                ) : (
                  <NextStep org={org} reason={lastRefusal.reason} keyId={lastRefusal.siteProvisioningKeyId} />
                )}
              </>
            ),
        },
      ]}
    />
  );
}

/** All of them, for who goes on with them elsewhere. */
export function saveDevices(name: string, devices: readonly Device[]): void {
  const rows = devices.map(({ hardwareId, standing, state, site, lastRefusal }) => [
    hardwareId,
    t.standings[standing],
    site?.name,
    state && states[state].label,
    lastRefusal && reasonOf(lastRefusal.reason),
    lastRefusal?.at,
    lastRefusal?.address,
  ]);
  saveCsv(name, csvOf(t.list.csv, rows));
}
