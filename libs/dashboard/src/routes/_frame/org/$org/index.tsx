import { Anchor, Card, Group, SimpleGrid, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconChevronRight, IconCircleCheck } from '@tabler/icons-react';
import { createFileRoute, Link, Navigate } from '@tanstack/react-router';
import { t } from '@texts/orgs';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { type SiteState, StateBadge } from '@/kit/state-badge';
import { useMay } from '@/session/session';
import { useStateCount } from '@/sites/queries';

/** Also where one lands who has nothing to administer: then it leads on to what one may open. */
export const Route = createFileRoute('/_frame/org/$org/')({ component: Overview });

const STATES: readonly SiteState[] = ['online', 'offline', 'never_connected', 'pending', 'suspended', 'revoked'];

function Overview() {
  const { org } = Route.useParams();
  const may = useMay(org);
  if (!may('listSites')) return <Navigate to="/org/$org/my-resources" params={{ org }} replace />;
  return (
    <>
      <PageHeader title={t.overview.title} />
      <Stack gap="xl">
        <NeedsAttention org={org} />
        <section>
          <Title order={2} mb="sm">
            {t.overview.sites}
          </Title>
          <SimpleGrid cols={{ base: 2, sm: 3, xl: 6 }}>
            {STATES.map((state) => (
              <StateCount key={state} org={org} state={state} />
            ))}
          </SimpleGrid>
        </section>
      </Stack>
    </>
  );
}

const ATTENTION = ['offline', 'pending', 'never_connected'] as const;

/** What somebody has to look at, each a link to its rows. */
function NeedsAttention({ org }: { org: string }) {
  const counts = {
    offline: useStateCount(org, 'offline'),
    pending: useStateCount(org, 'pending'),
    never_connected: useStateCount(org, 'never_connected'),
  };
  const known = ATTENTION.every((state) => counts[state] !== undefined);
  const found = ATTENTION.filter((state) => counts[state]);
  return (
    <section>
      <Title order={2} mb="sm">
        {t.overview.attention}
      </Title>
      <Card withBorder p={0}>
        {!known && <Skeleton h={48} />}
        {known && found.length === 0 && (
          <Group p="md" gap="sm">
            <IconCircleCheck color="var(--mantine-color-teal-6)" />
            <div>
              <Text fw={600}>{t.overview.quiet}</Text>
              <Text size="sm" c="dimmed">
                {t.overview.quietHint}
              </Text>
            </div>
          </Group>
        )}
        {known &&
          found.map((state) => (
            <Anchor
              key={state}
              c="inherit"
              underline="never"
              renderRoot={(props) => <Link to="/org/$org/sites" params={{ org }} search={{ state }} {...props} />}
            >
              <Group p="md" justify="space-between" wrap="nowrap">
                <Group gap="lg">
                  <StateBadge state={state} />
                  <Text>{t.overview[state](formatNumber(counts[state]!), counts[state]!)}</Text>
                </Group>
                <IconChevronRight size={18} />
              </Group>
            </Anchor>
          ))}
      </Card>
    </section>
  );
}

function StateCount({ org, state }: { org: string; state: SiteState }) {
  const count = useStateCount(org, state);
  return (
    <Anchor
      c="inherit"
      underline="never"
      renderRoot={(props) => <Link to="/org/$org/sites" params={{ org }} search={{ state }} {...props} />}
    >
      <Card withBorder p="md">
        <StateBadge state={state} />
        {count === undefined ? (
          <Skeleton h={28} w={60} mt={6} />
        ) : (
          <Text fz={24} fw={600} style={{ fontVariantNumeric: 'tabular-nums' }}>
            {formatNumber(count)}
          </Text>
        )}
      </Card>
    </Anchor>
  );
}
