import { Anchor, Button, Card, SimpleGrid, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconDeviceDesktop } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link, Navigate } from '@tanstack/react-router';
import { t } from '@texts/overview';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { type SiteState, StateBadge } from '@/kit/state-badge';
import { NeedsAttention } from '@/overview/attention';
import { ClaimsPaused, PauseClaims } from '@/overview/claims-pause';
import { OverTime, type Period } from '@/overview/over-time';
import { useMay } from '@/session/session';
import { facetsQuery } from '@/sites/queries';

/** Also where one lands who has nothing to administer: then it leads on to what one may open. */
export const Route = createFileRoute('/_frame/org/$org/')({
  validateSearch: ({ over }: Record<string, unknown>): { over?: '30d' } => (over === '30d' ? { over } : {}),
  component: Overview,
});

const STATES: readonly SiteState[] = ['online', 'offline', 'never_connected', 'pending', 'suspended', 'revoked'];

function Overview() {
  const { org } = Route.useParams();
  const may = useMay(org);
  if (!may('listSites')) return <Navigate to="/org/$org/my-resources" params={{ org }} replace />;
  return (
    <>
      <PageHeader title={t.title} actions={<PauseClaims org={org} />} />
      <Sections org={org} />
    </>
  );
}

function Sections({ org }: { org: string }) {
  const { over = '24h' } = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const states = useQuery(facetsQuery(org)).data?.states;
  const isEmpty = states !== undefined && STATES.every((state) => states[state] === 0);
  const onPeriod = (period: Period) =>
    void navigate({ search: period === '30d' ? { over: period } : {}, replace: true, resetScroll: false });
  return (
    <Stack gap="xl">
      <ClaimsPaused org={org} />
      {isEmpty && (
        <EmptyState icon={<IconDeviceDesktop />} title={t.none.title} description={t.none.description}>
          {may('createSiteProvisioningKey') && (
            <Button renderRoot={(props) => <Link to="/org/$org/provisioning/keys/new" params={{ org }} {...props} />}>
              {t.none.action}
            </Button>
          )}
        </EmptyState>
      )}
      <NeedsAttention org={org} />
      <section aria-labelledby="states">
        <Title order={2} mb="sm" id="states">
          {t.sites}
        </Title>
        <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }}>
          {STATES.map((state) => (
            <StateCount key={state} org={org} state={state} count={states?.[state]} />
          ))}
        </SimpleGrid>
      </section>
      <OverTime org={org} period={over} onPeriod={onPeriod} />
    </Stack>
  );
}

function StateCount({ org, state, count }: { org: string; state: SiteState; count: number | undefined }) {
  return (
    <Anchor
      c="inherit"
      underline="never"
      renderRoot={(props) => <Link to="/org/$org/sites" params={{ org }} search={{ state }} {...props} />}
    >
      <Card withBorder p="sm">
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
