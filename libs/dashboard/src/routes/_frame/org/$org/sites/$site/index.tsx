import { Alert, Button, Card, Group, Stack, Text, Title } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck } from '@tabler/icons-react';
import { useQuery, useSuspenseQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/site';
import { t as sites } from '@texts/sites';
import { api } from '@/api/client';
import { useProfiles } from '@/configuration/queries';
import { CopyId } from '@/kit/copy';
import { Facts } from '@/kit/facts';
import { formatDuration, formatList } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { useKeyNames, useTemplates } from '@/provisioning/queries';
import { useMay } from '@/session/session';
import { Evidence } from '@/sites/evidence';
import { Labels } from '@/sites/labels';
import { OdditiesInFull } from '@/sites/oddities';
import { diagnosisQuery, type SiteView, siteQuery, sitesChanged, useGroups } from '@/sites/queries';
import { Week } from '@/sites/week';

export const Route = createFileRoute('/_frame/org/$org/sites/$site/')({ component: SiteOverview });

function SiteOverview() {
  const { org, site: id } = Route.useParams();
  const { data: site } = useSuspenseQuery(siteQuery(id));
  return (
    <Stack>
      <Cause org={org} id={id} />
      <Week siteId={id} />
      <Odd org={org} site={site} />
      <div style={{ display: 'grid', gap: 16, gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 420px), 1fr))' }}>
        <SiteFacts org={org} site={site} />
        <Stack>
          <Origin org={org} site={site} />
          <Machine site={site} />
        </Stack>
      </div>
    </Stack>
  );
}

/** The first red check, with what to do about it. */
function Cause({ org, id }: { org: string; id: string }) {
  const { data } = useQuery(diagnosisQuery(id));
  if (!data) return null;
  const cause = data.checks.find(({ check }) => check === data.cause);
  if (!cause)
    return (
      <Group gap={6}>
        <IconCircleCheck size={18} color="var(--mantine-color-teal-6)" />
        <Text size="sm">{t.cause.none}</Text>
      </Group>
    );
  return (
    <Alert
      color="red"
      variant="outline"
      icon={<IconAlertTriangle />}
      title={`${t.diagnosis.states.failed}: ${t.diagnosis.checks[cause.check]}`}
    >
      <Stack gap="xs">
        <Evidence check={cause} />
        <PageLink to="/org/$org/sites/$site/diagnosis" params={{ org, site: id }}>
          {t.cause.toDiagnosis}
        </PageLink>
      </Stack>
    </Alert>
  );
}

/** What somebody has to look into; who did takes it away. */
function Odd({ org, site }: { org: string; site: SiteView }) {
  const may = useMay(org);
  if (site.oddities.length === 0) return null;
  const clear = async () => {
    await api.POST('/site/{siteId}', {
      params: { path: { siteId: String(site.siteId) } },
      body: { clearOddities: site.oddities },
    });
    await sitesChanged();
    toastDone(t.oddities.cleared);
  };
  return (
    <Card withBorder>
      <Group justify="space-between">
        <Title order={2}>{t.oddities.title}</Title>
        {may('updateSite') && (
          <Button variant="default" size="compact-sm" onClick={() => void clear().catch(toastProblem)}>
            {t.oddities.lookedInto}
          </Button>
        )}
      </Group>
      <OdditiesInFull oddities={site.oddities} />
    </Card>
  );
}

function SiteFacts({ org, site }: { org: string; site: SiteView }) {
  const may = useMay(org);
  const groups = useGroups(org);
  const nameOf = (id: number) => groups?.find(({ groupId }) => groupId === id)?.name ?? String(id);
  const { lastDisconnect, desiredVersion, appliedVersion } = site;
  return (
    <Facts
      title={t.facts.title}
      facts={[
        [
          t.facts.description,
          <span key="description">
            {site.description ?? t.facts.noDescription}{' '}
            {may('updateSite') && (
              <PageLink to="/org/$org/sites/$site/settings" params={{ org, site: String(site.siteId) }}>
                {t.facts.edit}
              </PageLink>
            )}
          </span>,
        ],
        [t.facts.siteId, <CopyId key="id" id={site.siteId} what={t.facts.siteId} />],
        [sites.columns.niceId, <CopyId key="nice" id={site.niceId} what={sites.columns.niceId} />],
        [
          sites.columns.hardwareId,
          site.hardwareId && <CopyId key="hw" id={site.hardwareId} what={sites.columns.hardwareId} />,
        ],
        [
          t.facts.labels,
          Object.keys(site.labels).length === 0 ? t.facts.noLabels : <Labels key="labels" labels={site.labels} />,
        ],
        [t.facts.groups, site.groupIds.length === 0 ? t.facts.noGroups : formatList(site.groupIds.map(nameOf))],
        [sites.columns.address, site.address],
        [sites.columns.agentVersion, site.agentVersion ?? site.newtVersion],
        [t.facts.connectedFrom, site.connectedFrom],
        [t.facts.connectedSince, site.connectedSince && <Time key="since" at={site.connectedSince} />],
        [sites.columns.lastSeenAt, <Time key="seen" at={site.lastSeenAt} />],
        [
          t.facts.lastDisconnect,
          lastDisconnect && (
            <span key="end">
              <Time at={lastDisconnect.at} />, {t.ends[lastDisconnect.reason]}
            </span>
          ),
        ],
        [t.facts.desired, t.facts.applied(desiredVersion, appliedVersion)],
        [t.facts.appliedError, site.appliedError],
        [t.facts.ephemeral, site.ephemeralSeconds === null ? null : formatDuration(site.ephemeralSeconds)],
      ]}
    />
  );
}

function Origin({ org, site }: { org: string; site: SiteView }) {
  const may = useMay(org);
  const keyName = useKeyNames(org);
  const templates = useTemplates(org);
  const profiles = useProfiles(org);
  const { keyId, keyGeneration, templateId, profileId, hardwareId } = site;
  const key = keyId && t.origin.generation(keyName(keyId), keyGeneration ?? 1);
  const template = templates?.find((one) => one.templateId === templateId)?.name ?? templateId;
  const profile = profiles?.find((one) => one.profileId === profileId)?.name ?? profileId;
  return (
    <Facts
      title={t.origin.title}
      facts={[
        [sites.columns.createdAt, <Time key="created" at={site.createdAt} absolute />],
        [
          t.origin.enrolledWith,
          !keyId ? (
            t.origin.byHand
          ) : may('listSiteProvisioningKeys') ? (
            <PageLink key="key" to="/org/$org/provisioning/keys/$key" params={{ org, key: keyId }}>
              {key}
            </PageLink>
          ) : (
            key
          ),
        ],
        [t.origin.claimedFrom, site.claimedFrom],
        [
          t.origin.claims,
          hardwareId && may('listClaims') ? (
            <PageLink key="claims" to="/org/$org/provisioning/claims" params={{ org }} search={{ hardwareId }}>
              {t.origin.claimsOf}
            </PageLink>
          ) : null,
        ],
        [
          t.origin.template,
          templateId === null ? null : may('listProvisioningTemplates') ? (
            <PageLink
              key="template"
              to="/org/$org/provisioning/templates/$template"
              params={{ org, template: String(templateId) }}
            >
              {template}
            </PageLink>
          ) : (
            template
          ),
        ],
        [t.origin.profile, profile],
        [
          t.origin.decided,
          site.decidedAt && (
            <Group key="decided" gap={6}>
              <Time at={site.decidedAt} absolute />
              {site.decidedBy && t.origin.decidedBy(site.decidedBy)}
            </Group>
          ),
        ],
        [t.origin.note, site.decisionNote],
      ]}
    />
  );
}

const written = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));

/** What the agent says of its machine, whatever that is. */
function Machine({ site: { facts } }: { site: SiteView }) {
  const all = Object.entries(facts ?? {});
  if (all.length > 0)
    return (
      <Facts
        title={t.machine.title}
        facts={all.map(([name, value]) => [t.machine.names[name] ?? name, written(value)])}
      />
    );
  return (
    <Card withBorder>
      <Title order={2} mb="sm">
        {t.machine.title}
      </Title>
      <Text size="sm" c="dimmed">
        {t.machine.none}
      </Text>
    </Card>
  );
}
