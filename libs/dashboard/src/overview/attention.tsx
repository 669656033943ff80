import { Anchor, Card, Group, Skeleton, Text, Title } from '@mantine/core';
import {
  IconBan,
  IconCalendarTime,
  IconChevronRight,
  IconCircleCheck,
  IconCopy,
  IconPackage,
  IconPlugConnectedX,
  IconRoute,
  IconUserCheck,
} from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, type LinkProps } from '@tanstack/react-router';
import { t } from '@texts/overview';
import type { ComponentType, CSSProperties } from 'react';
import { $api } from '@/api/client';
import { Failure } from '@/kit/failure';
import { formatAbsolute, formatNumber } from '@/kit/formats';
import { useMinute, useZone } from '@/kit/time';
import { useMay } from '@/session/session';
import { facetsQuery } from '@/sites/queries';
import { statsQuery, useQuietSince } from './queries';

/** How long a site is offline before somebody has to look: a restart, or a night of a laptop, is shorter or no surprise. */
const OFFLINE_FOR = '1h';
const STEP_MS = 600_000;
const HOUR = 3_600_000;

interface Kind {
  text: keyof typeof t & ('offline' | 'down' | 'pending' | 'refused' | 'bundles' | 'expiring' | 'contested');
  icon: ComponentType<{ size?: number; color?: string; style?: CSSProperties }>;
  color: string;
  /** undefined until it is known. */
  count: number | undefined;
  /** Where its rows are. */
  to: Pick<LinkProps, 'to' | 'search'>;
}

/** What an operator has to look at, the most urgent first; what they may not read is left out. */
function useAttention(org: string): { kinds: Kind[]; error: unknown; retry: () => void } {
  const may = useMay(org);
  const minute = useMinute();
  const path = { orgId: org };
  const one = { pageSize: 1 };
  // To the last full ten minutes, as the list behind the link counts it too.
  const lastSeenBefore = new Date(Math.floor(minute / STEP_MS) * STEP_MS - HOUR).toISOString();
  const offline = useQuery(
    $api.queryOptions('get', '/org/{orgId}/sites', {
      params: { path, query: { state: 'offline', lastSeenBefore, ...one } },
    }),
  );
  const contested = useQuery(
    $api.queryOptions('get', '/org/{orgId}/sites', { params: { path, query: { oddity: 'contested', ...one } } }),
  );
  const bundles = useQuery(
    $api.queryOptions('get', '/org/{orgId}/bundles', { params: { path, query: { state: 'failed', ...one } } }),
  );
  const expiring = useQuery(
    $api.queryOptions('get', '/org/{orgId}/expiring', { params: { path, query: { within: '7d', ...one } } }),
  );
  const facets = useQuery(facetsQuery(org));
  const refusals = useQuery(statsQuery(org, 'refusals', 'hour'));
  const mayResources = may('listResources');
  const down = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/resources', {
      params: { path, query: { healthStatus: 'unhealthy', ...one } },
    }),
    enabled: mayResources,
  });
  const all = [offline, contested, bundles, expiring, facets, refusals, down];
  const kinds: Kind[] = [
    {
      text: 'offline',
      icon: IconPlugConnectedX,
      color: 'red',
      count: offline.data?.pagination.total,
      to: {
        to: '/org/$org/sites',
        search: { state: 'offline', seenBefore: OFFLINE_FOR, sort: '-lastSeenAt' } as never,
      },
    },
    ...(mayResources
      ? [
          {
            text: 'down',
            icon: IconRoute,
            color: 'red',
            count: down.data?.pagination.total,
            to: { to: '/org/$org/resources/public', search: { health: 'unhealthy' } as never },
          } satisfies Kind,
        ]
      : []),
    {
      text: 'contested',
      icon: IconCopy,
      color: 'red',
      count: contested.data?.pagination.total,
      to: { to: '/org/$org/sites', search: { oddity: 'contested' } as never },
    },
    {
      text: 'bundles',
      icon: IconPackage,
      color: 'red',
      count: bundles.data?.pagination.total,
      to: { to: '/org/$org/configuration/bundles', search: { state: 'failed' } as never },
    },
    {
      text: 'pending',
      icon: IconUserCheck,
      color: 'gate',
      count: facets.data?.states.pending,
      to: { to: '/org/$org/provisioning/pending' },
    },
    ...(may('listClaims')
      ? [
          {
            text: 'refused',
            icon: IconBan,
            color: 'orange',
            count: refusals.data?.points.reduce((sum, { value }) => sum + (value ?? 0), 0),
            to: {
              to: '/org/$org/provisioning/claims',
              search: { outcome: 'refused', from: refusals.data?.from } as never,
            },
          } satisfies Kind,
        ]
      : []),
    {
      text: 'expiring',
      icon: IconCalendarTime,
      color: 'orange',
      count: expiring.data?.counts.reduce((sum, { total }) => sum + total, 0),
      to: { to: '/org/$org/settings/expiring', search: { within: '7d' } as never },
    },
  ];
  return {
    kinds,
    error: all.find(({ error, data }) => error && data === undefined)?.error,
    retry: () => all.forEach(({ error, refetch }) => error && void refetch()),
  };
}

/** What stands above everything else: each kind a link to its rows, or that there is none, and since when. */
export function NeedsAttention({ org }: { org: string }) {
  const { kinds, error, retry } = useAttention(org);
  const isKnown = kinds.every(({ count }) => count !== undefined);
  const found = kinds.filter(({ count }) => count);
  return (
    <section aria-labelledby="attention">
      <Title order={2} mb="sm" id="attention">
        {t.attention}
      </Title>
      {error ? (
        <Failure error={error} retry={retry} />
      ) : (
        <Card withBorder p={0} aria-live="polite">
          {found.map((kind, index) => (
            <KindLink key={kind.text} org={org} kind={kind} isFirst={index === 0} />
          ))}
          {!isKnown && <Skeleton h={56} />}
          {isKnown && found.length === 0 && <Quiet org={org} />}
        </Card>
      )}
    </section>
  );
}

function KindLink({
  org,
  kind: { text, icon: Icon, color, count, to },
  isFirst,
}: {
  org: string;
  kind: Kind;
  isFirst: boolean;
}) {
  return (
    <Anchor
      c="inherit"
      underline="never"
      renderRoot={(props) => <Link {...(to as LinkProps)} params={{ org } as never} {...props} />}
    >
      <Group
        px="md"
        py="sm"
        justify="space-between"
        wrap="nowrap"
        style={isFirst ? undefined : { borderTop: '1px solid var(--mantine-color-default-border)' }}
      >
        <Group gap="md" wrap="nowrap">
          <Icon size={20} color={`var(--mantine-color-${color}-6)`} style={{ flex: 'none' }} />
          <Text>{t[text](formatNumber(count!), count!)}</Text>
        </Group>
        <IconChevronRight size={18} style={{ flex: 'none' }} />
      </Group>
    </Anchor>
  );
}

function Quiet({ org }: { org: string }) {
  const since = useQuietSince(org, true);
  const [zone] = useZone();
  const now = useMinute();
  // Of today the time alone; and the date, where yesterday's could be meant.
  const text = since && formatAbsolute(since, zone);
  const isToday = text?.slice(0, 10) === formatAbsolute(new Date(now), zone).slice(0, 10);
  return (
    <Group p="md" gap="md" wrap="nowrap">
      <IconCircleCheck color="var(--mantine-color-teal-6)" />
      <div>
        <Text fw={600}>{text ? t.quietSince(isToday ? text.slice(11, 16) : text.slice(0, 16)) : t.quiet}</Text>
        <Text size="sm" c="dimmed">
          {t.quietHint}
        </Text>
      </div>
    </Group>
  );
}
