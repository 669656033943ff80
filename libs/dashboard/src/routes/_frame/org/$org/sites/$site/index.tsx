import { Badge, Group, SimpleGrid } from '@mantine/core';
import { useSuspenseQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/sites';
import { CopyId } from '@/kit/copy';
import { Facts } from '@/kit/facts';
import { Time } from '@/kit/time';
import { siteQuery } from '@/sites/queries';

export const Route = createFileRoute('/_frame/org/$org/sites/$site/')({ component: SiteOverview });

function SiteOverview() {
  const { site: id } = Route.useParams();
  const { data: site } = useSuspenseQuery(siteQuery(id));
  const labels = Object.entries(site.labels);
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <Facts
        title={t.site.facts}
        facts={[
          [t.site.siteId, <CopyId key="id" id={site.siteId} what={t.site.siteId} />],
          [t.columns.niceId, <CopyId key="nice" id={site.niceId} what={t.columns.niceId} />],
          [
            t.columns.hardwareId,
            site.hardwareId && <CopyId key="hw" id={site.hardwareId} what={t.columns.hardwareId} />,
          ],
          [t.columns.address, site.address],
          [t.columns.agentVersion, site.agentVersion],
          [t.columns.lastSeenAt, <Time key="seen" at={site.lastSeenAt} />],
          [
            t.columns.labels,
            labels.length === 0 ? (
              t.site.noLabels
            ) : (
              <Group key="labels" gap={4}>
                {labels.map(([key, value]) => (
                  <Badge key={key} variant="default" tt="none" fw={400}>{`${key}=${value}`}</Badge>
                ))}
              </Group>
            ),
          ],
        ]}
      />
      <Facts
        title={t.site.origin}
        facts={[
          [t.columns.createdAt, <Time key="created" at={site.createdAt} absolute />],
          [t.site.enrolledWith, site.keyId && <CopyId key="key" id={site.keyId} what={t.site.enrolledWith} />],
          [t.site.template, site.templateId],
          [t.site.profile, site.profileId],
          [
            t.site.decided,
            site.decidedAt && (
              <Group key="decided" gap={6}>
                <Time at={site.decidedAt} absolute />
                {site.decidedBy && t.site.decidedBy(site.decidedBy)}
              </Group>
            ),
          ],
        ]}
      />
    </SimpleGrid>
  );
}
