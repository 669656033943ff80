import { Group, Skeleton, Text, UnstyledButton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { t } from '@texts/sites';
import { besideApi } from '@/api/beside';
import type { components } from '@/api/types';
import { formatNumber } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { type SiteState, StateBadge } from '@/kit/state-badge';
import type { ListSearch } from '@/list/search';
import { facetsQuery } from './queries';
import classes from './state-counts.module.css';

const STATES: readonly SiteState[] = ['online', 'offline', 'never_connected', 'pending', 'suspended', 'revoked'];

/** How many sites are in which state, each a link to them. */
export function StateCounts({ org, search }: { org: string; search: ListSearch }) {
  const { data } = useQuery(facetsQuery(org));
  return (
    <nav aria-label={t.states}>
      <Group gap={6}>
        {STATES.filter((state) => !data || data.states[state] > 0 || search['state'] === state).map((state) => (
          <UnstyledButton
            key={state}
            className={classes.count}
            data-chosen={search['state'] === state || undefined}
            renderRoot={(props) => (
              <Link
                to="/org/$org/sites"
                params={{ org }}
                search={search['state'] === state ? {} : { state }}
                {...props}
              />
            )}
          >
            <StateBadge state={state} />
            {data ? (
              <Text span size="sm" fw={600} style={{ fontVariantNumeric: 'tabular-nums' }}>
                {formatNumber(data.states[state])}
              </Text>
            ) : (
              <Skeleton h={14} w={24} />
            )}
          </UnstyledButton>
        ))}
      </Group>
    </nav>
  );
}

/** Views that are asked for often. Each is a link, like every view. */
export function Presets({ org }: { org: string }) {
  const { data: agent } = useQuery(besideApi<components['schemas']['AgentVersion']>('/agent/version.json'));
  const presets: [label: string, search: ListSearch][] = [
    [t.presets.offlineLong, { state: 'offline', seenBefore: '24h' }],
    [t.presets.neverConnected, { state: 'never_connected' }],
    ...(agent ? [[t.presets.outdated, { '!agentVersion': agent.version }] satisfies [string, ListSearch]] : []),
    [t.presets.bundleFailed, { bundle: 'failed' }],
    [t.presets.unlabelled, { labelled: t.no }],
  ];
  return (
    <Group component="nav" aria-label={t.presets.title} gap="4px var(--mantine-spacing-md)">
      {presets.map(([label, search]) => (
        <PageLink key={label} dimmed to="/org/$org/sites" params={{ org }} search={search as never}>
          {label}
        </PageLink>
      ))}
    </Group>
  );
}
